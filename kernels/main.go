// Command kernels sets up and runs clipkit's Jupyter notebooks. Its folder is also a Jupyter kernels directory: JUPYTER_PATH is the
// repository root, and each kernels/<name>/kernel.json is a device on which the same notebook can run.
//
//	go run ./kernels lab [jupyter arguments]             JupyterLab on this machine, with the kernels of this repository
//	go run ./kernels exec NOTEBOOK [name=value …]        run a notebook without a browser; writes it executed, as .ipynb and .html
//	go run ./kernels doctor                              say what this machine has and lacks, and how to fix it
//	go run ./kernels setup                               only set up; lab and exec do it by themselves
//
// It is compiled by Go alone (CGO_ENABLED=0), without network, and imports nothing but the standard library, so that doctor can say what a bare
// machine lacks. The library's own commands (check, lmdb, fetch, convert, extract, topk, score, invert, zeroshot, explore) are in clipkit/cmd/clipkit.
//
// # Set-up
//
// Needed beforehand: go, a C compiler (gcc) and Python 3.10 or later with venv. The first run makes .venv (JupyterLab at pinned versions)
// and .tools (the Go kernel GoNB, Jupyter's settings, logs), both inside the repository, in about two minutes; nothing needs root and nothing
// is installed elsewhere but Go's and pip's own caches. What is unfinished or broken is rebuilt. Deleting both folders undoes everything.
//
// # exec
//
//	go run ./kernels exec notebooks/quickstart.ipynb name=second query=猫
//	go run ./kernels exec -kernel cpu -out /tmp/results -timeout 2h notebooks/quickstart.ipynb
//
// name=value reaches the notebook's Param("name", …) as the environment variable CLIPKIT_PARAM_NAME; names that the notebook does not ask
// for are refused. Results go to experiments/<notebook>/ (or -out); what was there before is kept under the time it was made. The device is that of
// the notebook's own kernel unless -kernel names another folder of kernels/. Ctrl-C interrupts the running cell, which may take up to twelve minutes to save
// its work, and ends the run; a second Ctrl-C kills it. -timeout does what the first Ctrl-C does. The executed notebook is written in every case.
// Exit status: 0, 1 after a failed cell or anything else that went wrong, 2 for wrong arguments, 130 when interrupted (`go run` itself turns all but 0 into 1).
//
// Limits: a notebook of at most 64 MiB; Linux and macOS.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: go run ./kernels COMMAND

  lab [jupyter arguments]        start JupyterLab with the kernels of this repository
  exec NOTEBOOK [name=value …]   run a notebook without a browser; results in experiments/<notebook>/
       -kernel NAME              the kernel (device) to use instead of the notebook's own
       -out DIR                  where the executed notebook goes
       -timeout 20m              interrupt after this time, as Ctrl-C does
  doctor                         what this machine has and lacks
  setup                          only set up .venv and .tools
  help                           this text; more: go doc ./kernels

The library's own commands (check, lmdb, fetch, convert, extract, …): go run ./clipkit/cmd/clipkit help
`

// errUsage marks an error in the arguments: exit status 2.
var errUsage = errors.New("see: go run ./kernels help")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	status, err := dispatch(ctx, args, out)
	switch {
	case err == nil:
		return status
	case ctx.Err() != nil:
		fmt.Fprintln(errOut, "interrupted")
		return 130
	}
	fmt.Fprintln(errOut, err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func dispatch(ctx context.Context, args []string, out io.Writer) (status int, err error) {
	if len(args) == 0 {
		fmt.Fprint(out, usage)
		return 2, nil
	}
	name, args := args[0], args[1:]
	if name == "help" || name == "-h" || name == "-help" || name == "--help" {
		fmt.Fprint(out, usage)
		return 0, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return 1, fmt.Errorf("finding the current folder: %w", err)
	}
	root, err := findRoot(dir)
	if err != nil {
		return 1, err
	}
	switch name {
	case "setup":
		if len(args) > 0 {
			return 2, fmt.Errorf("setup takes no arguments, not %q; %w", args[0], errUsage)
		}
		if err := newSetup(root, out).ensure(ctx); err != nil {
			return 1, err
		}
		fmt.Fprintln(out, "ready; next: go run ./kernels lab")
		return 0, nil
	case "lab":
		return 1, lab(ctx, root, args, out)
	case "exec":
		return execNotebook(ctx, root, args, out)
	case "doctor":
		if len(args) > 0 {
			return 2, fmt.Errorf("doctor takes no arguments, not %q; %w", args[0], errUsage)
		}
		return doctor(ctx, root, out), nil
	}
	return 2, fmt.Errorf("there is no command %q (lab, exec, doctor, setup, help; for the library's: go run ./clipkit/cmd/clipkit help); %w", name, errUsage)
}
