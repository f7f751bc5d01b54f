package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// labArgs is the command line of JupyterLab; the user's own arguments come last and win.
func labArgs(root string, uid int, extra []string) []string {
	args := []string{
		python(root), "-m", "jupyterlab",
		"--ServerApp.root_dir=" + root,
		"--ServerApp.ip=127.0.0.1",
		"--ServerApp.answer_yes=True", // one Ctrl-C ends it
		"--LabApp.default_url=/lab/tree/notebooks",
		"--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", // the version is pinned
		"--MultiKernelManager.default_kernel_name=cpu",
		"--ServerApp.extra_static_paths=" + filepath.Join(root, "assets"), // static/echarts.min.js.gz, which charts ask for
		"--LanguageServerManager.autodetect=False",                        // it would run npm, which writes in the home folder
	}
	if uid == 0 {
		args = append(args, "--allow-root")
	}
	return append(args, extra...)
}

// offered has JupyterLab offer these kernels and its own Python.
func offered(names []string) (args []string) {
	for _, name := range append(names, "python3") {
		args = append(args, "--KernelSpecManager.allowed_kernelspecs="+name)
	}
	return args
}

// lab becomes JupyterLab: it returns only when that fails.
func lab(ctx context.Context, root string, extra []string, out io.Writer) error {
	s := newSetup(root, out)
	if err := s.ensure(ctx); err != nil {
		return err
	}
	if err := s.goplsInBackground(); err != nil {
		fmt.Fprintln(out, err) // notebooks run without it
	}
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("starting JupyterLab: %w", err)
	}
	fmt.Fprintln(out, "starting JupyterLab on this machine only; its address follows, Ctrl-C ends it")
	path := filepath.Join(root, ".venv", "bin") + ":" + os.Getenv("PATH")
	env := append(jupyterEnv(root, os.Environ()), "PATH="+path)
	names, absent := present(root, filepath.Glob)
	if len(absent) > 0 {
		fmt.Fprintf(out, "kernels: %s; not offered, as no such device is here: %s\n", strings.Join(names, ", "), strings.Join(absent, ", "))
	}
	if err := syscall.Exec(python(root), labArgs(root, os.Getuid(), append(offered(names), extra...)), env); err != nil {
		return fmt.Errorf("starting JupyterLab: %w", err)
	}
	return nil
}
