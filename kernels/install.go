package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// errNotOurs marks a kernel of Jupyter's that this checkout did not install.
var errNotOurs = errors.New("another kernel of this name")

// installOptions is the command line of install and uninstall.
type installOptions struct {
	folder string // Jupyter's kernels folder
	all    bool
}

// parseInstall reads the command line of install, and of uninstall.
func parseInstall(name string, args []string, getenv func(string) string) (o installOptions, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	user, prefix := flags.Bool("user", false, ""), flags.String("prefix", "", "")
	if name == "install" {
		flags.BoolVar(&o.all, "all", false, "")
	}
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("%s: %w; %w", name, err, errUsage)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%s takes -user or -prefix DIR, not %q; %w", name, flags.Arg(0), errUsage)
	case *user && *prefix != "":
		return o, fmt.Errorf("%s: -user and -prefix are two places; choose one; %w", name, errUsage)
	case *prefix != "":
		dir, err := filepath.Abs(*prefix)
		if err != nil {
			return o, fmt.Errorf("%s: finding -prefix %s: %w", name, *prefix, err)
		}
		o.folder = filepath.Join(dir, "share", "jupyter", "kernels")
	default:
		data, err := userData(runtime.GOOS, getenv)
		if err != nil {
			return o, fmt.Errorf("%s: %w", name, err)
		}
		o.folder = filepath.Join(data, "kernels")
	}
	return o, nil
}

// userData is the folder of a user's Jupyter, as jupyter_core finds it.
func userData(system string, getenv func(string) string) (string, error) {
	home := getenv("HOME")
	switch {
	case getenv("JUPYTER_DATA_DIR") != "":
		return filepath.Abs(getenv("JUPYTER_DATA_DIR"))
	case system != "darwin" && getenv("XDG_DATA_HOME") != "":
		return filepath.Join(getenv("XDG_DATA_HOME"), "jupyter"), nil
	case home == "":
		return "", errors.New("no HOME to install in; set HOME or JUPYTER_DATA_DIR, or name a folder with -prefix")
	case system == "darwin":
		return filepath.Join(home, "Library", "Jupyter"), nil
	}
	return filepath.Join(home, ".local", "share", "jupyter"), nil
}

// install registers the kernels in a Jupyter of the user's own.
func install(ctx context.Context, root string, o installOptions, out io.Writer) error {
	if err := newSetup(root, out).ensureKernel(ctx); err != nil {
		return err
	}
	names, absent := kernelNames(root), []string(nil)
	if !o.all {
		names, absent = present(root, filepath.Glob)
	}
	if err := registerKernels(root, names, o.folder, out); err != nil {
		return err
	}
	if len(absent) > 0 {
		fmt.Fprintf(out, "not installed: %s, as no such device is here; with -all they are\n", strings.Join(absent, ", "))
	}
	fmt.Fprintf(out, "They run this checkout, %s, as long as it is there; to take them away: go run ./kernels uninstall\n", root)
	fmt.Fprintf(out, "Parameters reach a notebook in the environment: CLIPKIT_PARAM_STEPS=3 papermill IN OUT\nfor papermill -p steps 3: pip install %q\n", filepath.Join(root, "kernels", "papermill"))
	return nil
}

// registerKernels installs these kernels, each in its folder of Jupyter's, and replaces none that is not clipkit's.
func registerKernels(root string, names []string, folder string, out io.Writer) error {
	for _, name := range names {
		to := filepath.Join(folder, name)
		if owner, err := installedBy(to); err == nil && owner == "" {
			return fmt.Errorf("%w: %s is not clipkit's; take it away (jupyter kernelspec remove %s), or install elsewhere with -prefix", errNotOurs, to, name)
		}
		if err := installKernel(root, name, to); err != nil {
			return err
		}
		fmt.Fprintf(out, "installed %s\n", to)
	}
	return nil
}

// installKernel writes the kernel's folder with absolute paths, whole or not at all.
func installKernel(root, name, to string) error {
	from := filepath.Join(root, "kernels", name)
	data, err := os.ReadFile(filepath.Join(from, "kernel.json"))
	if err != nil {
		return fmt.Errorf("reading the kernel: %w", err)
	}
	var spec map[string]any
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("%w: %s: %w; restore it: git checkout kernels", errKernel, from, err)
	}
	argv, _ := spec["argv"].([]any)
	if len(argv) == 0 {
		return fmt.Errorf("%w: %s has no argv; restore it: git checkout kernels", errKernel, from)
	}
	argv[0] = filepath.Join(root, "kernels", "launch.sh")
	spec["metadata"] = map[string]any{"clipkit": root}
	var text bytes.Buffer
	encode := json.NewEncoder(&text)
	encode.SetEscapeHTML(false)
	encode.SetIndent("", "  ")
	if err := encode.Encode(spec); err != nil {
		return fmt.Errorf("writing the kernel: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("%s: cannot install kernels: %w", because(err.Error()), err)
	}
	work, err := os.MkdirTemp(filepath.Dir(to), ".clipkit-")
	if err != nil {
		return fmt.Errorf("%s: cannot install kernels: %w", because(err.Error()), err)
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "kernel") // as the umask wants it; MkdirTemp's own is the user's alone
	if err := os.Mkdir(made, 0o777); err != nil {
		return fmt.Errorf("%s: cannot install kernels: %w", because(err.Error()), err)
	}
	files := map[string][]byte{"kernel.json": text.Bytes()}
	logos, _ := filepath.Glob(filepath.Join(from, "logo-*")) // a bracket in the path finds none
	for _, logo := range logos {
		if files[filepath.Base(logo)], err = os.ReadFile(logo); err != nil {
			return fmt.Errorf("reading a logo: %w", err)
		}
	}
	for file, data := range files {
		if err := os.WriteFile(filepath.Join(made, file), data, 0o644); err != nil {
			return fmt.Errorf("%s: cannot install kernels: %w", because(err.Error()), err)
		}
	}
	if err := errors.Join(os.RemoveAll(to), os.Rename(made, to)); err != nil {
		return fmt.Errorf("installing %s: %w", to, err)
	}
	return nil
}

// installedBy is the checkout that an installed kernel runs; "" where it is not clipkit's.
func installedBy(dir string) (root string, err error) {
	data, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return "", err
	}
	var spec struct {
		Metadata struct{ Clipkit string }
	}
	_ = json.Unmarshal(data, &spec) // what is broken is not ours
	return spec.Metadata.Clipkit, nil
}

// uninstall removes the kernels of this checkout, and says which are another's.
func uninstall(root string, o installOptions, out io.Writer) error {
	removed := 0
	for _, name := range kernelNames(root) {
		dir := filepath.Join(o.folder, name)
		switch owner, err := installedBy(dir); {
		case err != nil:
		case owner == root:
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("%s: cannot remove a kernel: %w", because(err.Error()), err)
			}
			fmt.Fprintf(out, "removed %s\n", dir)
			removed++
		case owner == "":
			fmt.Fprintf(out, "left %s, which is not clipkit's\n", dir)
		default:
			fmt.Fprintf(out, "left %s, which is of the checkout %s; uninstall it from there, or: jupyter kernelspec remove %s\n", dir, owner, name)
		}
	}
	if removed == 0 {
		fmt.Fprintf(out, "no kernel of this checkout is in %s\n", o.folder)
	}
	return nil
}

// present are the kernels whose device is here, and the others. An unknown kernel counts as present.
func present(root string, glob func(pattern string) ([]string, error)) (names, absent []string) {
	quiet := func(string, string) {}
	cuda, npu := deviceFiles(glob, "", quiet, quiet, quiet)
	has := map[string]bool{"cuda": cuda, "npu": npu}
	asked, _, _ := strings.Cut(os.Getenv("CLIPKIT_DEVICE"), ":")
	for _, name := range kernelNames(root) {
		if here, device := has[name]; device && !here && name != asked {
			absent = append(absent, name)
		} else {
			names = append(names, name)
		}
	}
	return slices.Clip(names), absent
}
