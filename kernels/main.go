// Command kernels sets up and runs clipkit's Jupyter notebooks. Its folder is also a Jupyter kernels directory: JUPYTER_PATH is the
// repository root, and each kernels/<name>/kernel.json is a device on which the same notebook can run.
//
//	go run ./kernels lab [jupyter arguments]             JupyterLab on this machine, with the kernels of this repository
//	go run ./kernels exec NOTEBOOK [name=value …]        run a notebook without a browser; writes it executed, as .ipynb and .html
//	go run ./kernels doctor                              say what this machine has and lacks, and how to fix it; -try opens the engines
//	go run ./kernels setup                               only set up; lab and exec do it by themselves
//	go run ./kernels install                             register the kernels in a Jupyter of your own; uninstall takes them away
//
// It is compiled by Go alone (CGO_ENABLED=0), without network, and imports nothing but the standard library, so that doctor can say what a bare
// machine lacks. The library's own commands (check, lmdb, fetch, convert, extract, topk, score, invert, zeroshot, explore) are in clipkit/cmd/clipkit.
//
// # Set-up
//
// Needed beforehand: go, a C compiler (gcc) and Python 3.10 or later with venv. The first run makes .venv (JupyterLab at pinned versions)
// and .tools (the Go kernel GoNB, Jupyter's settings, logs), both inside the repository, in about two minutes; the first lab then builds gopls in the
// background, which completes and explains in cells. Nothing needs root and nothing is installed elsewhere but Go's and pip's own caches. What is unfinished or broken is rebuilt. Deleting both folders undoes everything.
//
// # exec
//
//	go run ./kernels exec notebooks/quickstart.ipynb name=second query=猫
//	go run ./kernels exec -kernel cpu -out /tmp/results -timeout 2h notebooks/quickstart.ipynb
//
// name=value reaches the notebook's Param("name", …) as the environment variable CLIPKIT_PARAM_NAME; names that the notebook does not ask
// for, and values of another type than it asks for, are refused. Results go to the folder of the run that the notebook makes, experiments/<name>/, where it
// has a parameter name, else to experiments/<notebook>/ (or -out); what was there before is kept under the time it was made. What a run leaves that failed or
// was interrupted is called <notebook>.unfinished. At the end stand the newest checkpoint and the exported weights of each run that cells opened, and its recall
// before and after. The device is that of the notebook's own kernel unless -kernel names another folder of kernels/. Ctrl-C interrupts the running cell, which may take up to twelve minutes to save
// its work, and ends the run; a second Ctrl-C kills it. -timeout does what the first Ctrl-C does. The executed notebook is written in every case.
// Exit status: 0, 1 after a failed cell or anything else that went wrong, 2 for wrong arguments, 130 when interrupted (`go run` itself turns all but 0 into 1).
//
// # install
//
//	go run ./kernels install                             in the user's Jupyter: jupyter kernelspec list, VS Code's picker
//	go run ./kernels install -prefix /opt/jupyterhub     in one environment's, for all who use it
//
// The kernels have the names that the notebooks ask for (cpu, cuda, npu), and run this checkout. A kernel of such a name that is not clipkit's is not replaced.
// Then papermill, jupyter execute, jupyter nbconvert --execute and jupyter console run these notebooks. Parameters reach them in the environment,
// CLIPKIT_PARAM_STEPS=3 papermill IN OUT; with the small Python package in kernels/papermill installed by pip, as papermill -p steps 3 too.
//
// Limits: a notebook of at most 64 MiB; Linux and macOS.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

const usage = `usage: go run ./kernels COMMAND

  lab [jupyter arguments]        start JupyterLab with the kernels of this repository
  exec NOTEBOOK [name=value …]   run a notebook without a browser; results in experiments/
  doctor                         what this machine has and lacks
  setup                          only set up .venv and .tools
  install                        register the kernels in a Jupyter of your own
  uninstall                      take them away again
  help [COMMAND]                 this text, or more of a command; all of it: go doc ./kernels

The library's own commands (check, lmdb, fetch, convert, extract, …): go run ./clipkit/cmd/clipkit help
`

// manuals are the commands and what help says of each.
var manuals = map[string]string{
	"lab": `usage: go run ./kernels lab [jupyter arguments]

JupyterLab on this machine only, with the kernels of this repository; Ctrl-C ends it. Everything after lab goes to JupyterLab:
  go run ./kernels lab --no-browser --port 8890
  go run ./kernels lab --help                      JupyterLab's own help
`,
	"exec": `usage: go run ./kernels exec [flags] NOTEBOOK [name=value …]

  -kernel NAME    the kernel (device) to use instead of the notebook's own: a folder of kernels/
  -out DIR        where the executed notebook goes; else experiments/<name=…>/, the run's own folder, or experiments/<notebook>/
  -timeout 20m    interrupt after this time, as Ctrl-C does

name=value sets a parameter of the notebook; with -h behind a notebook, its parameters are listed. A run that fails or is interrupted is written
as NOTEBOOK.unfinished.ipynb and .html, and leaves the last good result alone. The first Ctrl-C lets the running cell save, the second kills it.
  go run ./kernels exec notebooks/quickstart.ipynb -h
  go run ./kernels exec notebooks/quickstart.ipynb name=second query=猫
`,
	"doctor": `usage: go run ./kernels doctor [-try]

Says what this machine has and lacks, and how to fix it. It changes and downloads nothing, and answers within seconds.
  -try            also builds a small program that opens the engines and devices and trains a small model on them: minutes the first time, and
                  an engine that is not here is downloaded
`,
	"setup": `usage: go run ./kernels setup [-gopls]

Sets up .venv (JupyterLab) and .tools (the Go kernel) in this repository, as far as they are not; lab and exec do it by themselves. Its log is
.tools/setup.log.
  -gopls          only gopls, which completes and explains in cells (Tab, Shift-Tab): about 2 minutes. The first lab builds it in the background
`,
	"install": `usage: go run ./kernels install [-user | -prefix DIR] [-all]

Registers the kernels in a Jupyter of your own, with the names that the notebooks ask for; they run this checkout, in its place.
  -user           for your own login, in ~/.local/share/jupyter (the default)
  -prefix DIR     in DIR/share/jupyter: an environment (python -c 'import sys; print(sys.prefix)'), or JupyterHub's
  -all            also the kernels whose devices are not on this machine

Then jupyter kernelspec list, VS Code's picker and JupyterHub have them, and these run the notebooks:
  papermill notebooks/quickstart.ipynb out.ipynb
  jupyter nbconvert --to html --execute notebooks/quickstart.ipynb
Parameters: CLIPKIT_PARAM_STEPS=3 papermill …; or, after pip install ./kernels/papermill, papermill -p steps 3 …
`,
	"uninstall": `usage: go run ./kernels uninstall [-user | -prefix DIR]

Takes away the kernels that install registered there for this checkout, and nothing else.
`,
}

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
	if isHelp(name) || name == "help" {
		if len(args) > 0 && manuals[args[0]] != "" {
			fmt.Fprint(out, manuals[args[0]])
			return 0, nil
		}
		if len(args) > 0 {
			return 2, unknownCommand(args[0])
		}
		fmt.Fprint(out, usage)
		return 0, nil
	}
	if manuals[name] == "" {
		return 2, unknownCommand(name)
	}
	if len(args) > 0 && isHelp(args[0]) && (name != "lab" || args[0] == "-h") { // lab --help is JupyterLab's
		fmt.Fprint(out, manuals[name])
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
		if len(args) > 0 && args[0] == "-gopls" {
			if err := newSetup(root, out).setupGopls(ctx, slices.Contains(args, inBackground)); err != nil {
				return 1, err
			}
			fmt.Fprintln(out, "ready: Tab completes and Shift-Tab explains in cells")
			return 0, nil
		}
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
	case "install", "uninstall":
		o, err := parseInstall(name, args, os.Getenv)
		if err != nil {
			return 2, err
		}
		if name == "install" {
			err = install(ctx, root, o, out)
		} else {
			err = uninstall(root, o, out)
		}
		if err != nil {
			return 1, err
		}
		return 0, nil
	default: // doctor
		try := len(args) > 0 && strings.TrimLeft(args[0], "-") == "try"
		if len(args) > 1 || len(args) == 1 && !try {
			return 2, fmt.Errorf("doctor takes only -try, not %q; %w", args[len(args)-1], errUsage)
		}
		return doctor(ctx, root, try, out), nil
	}
}

func isHelp(word string) bool { return word == "-h" || word == "-help" || word == "--help" }

func unknownCommand(name string) error {
	known := append(slices.Sorted(maps.Keys(manuals)), "help")
	meant := ""
	if near := similar(name, known); near != "" {
		meant = "; did you mean " + near + "?"
	}
	return fmt.Errorf("there is no command %q (%s; for the library's: go run ./clipkit/cmd/clipkit help)%s; %w", name, strings.Join(known, ", "), meant, errUsage)
}
