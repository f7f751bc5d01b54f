package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// lab becomes JupyterLab: it returns only when that fails.
func lab(ctx context.Context, root string, extra []string, out io.Writer) error {
	if err := newSetup(root, out).ensure(ctx); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("starting JupyterLab: %w", err)
	}
	fmt.Fprintln(out, "starting JupyterLab on this machine only; its address follows, Ctrl-C ends it")
	path := filepath.Join(root, ".venv", "bin") + ":" + os.Getenv("PATH")
	env := append(jupyterEnv(root, os.Environ()), "PATH="+path)
	if err := syscall.Exec(python(root), labArgs(root, os.Getuid(), extra), env); err != nil {
		return fmt.Errorf("starting JupyterLab: %w", err)
	}
	return nil
}
