package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed runner.py
var runner string

var errKernel = errors.New("unknown kernel")

// openedName is the file in a run's work folder to which cells add the runs that they open.
const openedName = "opened"

type param struct{ name, value string }

// execOptions is the command line of exec.
type execOptions struct {
	notebook string
	kernel   string // "" means the notebook's own
	out      string // "" means a folder of experiments/
	timeout  time.Duration
	params   []param
	help     bool // -h: only say what the notebook takes
}

var paramName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// parseExec takes flags before, between and after NOTEBOOK and name=value.
func parseExec(args []string) (execOptions, error) {
	var o execOptions
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.kernel, "kernel", "", "")
	flags.StringVar(&o.out, "out", "", "")
	flags.DurationVar(&o.timeout, "timeout", 0, "")
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			o.help = true
			args = flags.Args()
			continue
		} else if err != nil {
			return o, fmt.Errorf("exec: %w; %w", err, errUsage)
		}
		args = flags.Args()
		if len(args) == 0 {
			break
		}
		word := args[0]
		args = args[1:]
		name, value, isParam := strings.Cut(word, "=")
		switch {
		case o.notebook == "":
			o.notebook = word
		case !isParam:
			return o, fmt.Errorf("exec: %q is neither a flag nor name=value; %w", word, errUsage)
		case !paramName.MatchString(name):
			return o, fmt.Errorf("exec: parameter name %q: expected small letters, digits and _; %w", name, errUsage)
		case slices.ContainsFunc(o.params, func(p param) bool { return p.name == name }):
			return o, fmt.Errorf("exec: parameter %s is given twice; %w", name, errUsage)
		default:
			o.params = append(o.params, param{name, value})
		}
	}
	if o.notebook == "" {
		return o, fmt.Errorf("exec: which notebook? %w", errUsage)
	}
	if o.timeout < 0 {
		return o, fmt.Errorf("exec: -timeout %s is negative; %w", o.timeout, errUsage)
	}
	return o, nil
}

// execNotebook is `exec`: it checks everything that can be wrong at once, sets up, builds, runs and files the results.
func execNotebook(ctx context.Context, root string, args []string, out io.Writer) (status int, err error) {
	o, err := parseExec(args)
	if err != nil {
		return 2, err
	}
	nb, err := openNotebook(root, o.notebook)
	if err != nil {
		return 1, err
	}
	if o.help {
		fmt.Fprintf(out, "%s\nparameters of %s:\n%s", manuals["exec"], o.notebook, cmp.Or(nb.describe(), "  none\n"))
		return 0, nil
	}
	if err := nb.checkParams(o.params); err != nil {
		return 1, err
	}
	if o.kernel == "" {
		o.kernel = nb.kernel
	}
	if names := kernelNames(root); !slices.Contains(names, o.kernel) {
		return 1, fmt.Errorf("%w %q: this repository has %s; choose one with -kernel", errKernel, o.kernel, strings.Join(names, ", "))
	}
	s := newSetup(root, out)
	if err := s.ensure(ctx); err != nil {
		return 1, err
	}
	base := strings.TrimSuffix(filepath.Base(o.notebook), ".ipynb")
	if o.out == "" {
		o.out = filepath.Join(root, "experiments", nb.folder(base, o.params))
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return 1, fmt.Errorf("%s: cannot make the results folder: %w", because(err.Error()), err)
	}
	if nb.usesClipkit() {
		if err := s.buildCells(ctx, o.kernel); err != nil {
			return 1, err
		}
	}
	work, held, err := workFolder(o.out)
	if err != nil {
		return 1, err
	}
	defer held.Close()
	defer os.RemoveAll(work)
	start := time.Now()
	status, err = runCells(root, o, work, held, base, out)
	if err != nil {
		return 1, err
	}
	run := filepath.Join(root, "experiments", nb.folder(base, o.params)) // where it makes one and says its name
	tellMade(openedRuns(filepath.Join(work, openedName), run), start, out)
	return status, publish(work, o.out, base, status == 0, out)
}

// buildCells fills Go's build cache, so that the first cell does not seem to hang; env is that of the kernel, or the cache would not fit.
func (s *setup) buildCells(ctx context.Context, kernel string) error {
	path := filepath.Join(s.root, "kernels", kernel, "kernel.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the kernel's environment: %w", err)
	}
	var spec struct {
		Env map[string]string `json:"env"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("%w: %s: %w", errKernel, path, err)
	}
	// -export compiles into the cache as go build does; go build would also link the programs among the packages, 10 s each time.
	compile := []string{"go", "list", "-export", `-f={{""}}`, "./clipkit/..."}
	c := command{argv: compile, dir: s.root, env: []string{"CGO_ENABLED=1"}} // CGO_ENABLED as launch.sh has it
	for name, value := range spec.Env {
		c.env = append(c.env, name+"="+value)
	}
	fmt.Fprintln(s.out, "building clipkit (1 to 2 minutes the first time) …")
	var said bytes.Buffer
	w := &watched{doing: "go build", start: time.Now()}
	c.out = io.MultiWriter(&said, w)
	stop := w.follow(s.out)
	err = s.run(ctx, c)
	stop()
	if err != nil {
		return fmt.Errorf("%s%s: clipkit does not build: %w", &said, because(said.String()), err)
	}
	fmt.Fprintf(s.out, "      %.1f s\n", time.Since(w.start).Seconds())
	return nil
}

// runCells runs the notebook with runner.py, which prints as it goes and leaves base.ipynb and base.html in work, which is held as long as it runs.
func runCells(root string, o execOptions, work string, held *os.File, base string, out io.Writer) (status int, err error) {
	notebook, err := filepath.Abs(o.notebook)
	if err != nil {
		return 1, fmt.Errorf("finding the notebook: %w", err)
	}
	if work, err = filepath.Abs(work); err != nil {
		return 1, fmt.Errorf("finding the results folder: %w", err)
	}
	cmd := exec.Command(python(root), "-I", "-X", "utf8", "-c", runner,
		notebook, o.kernel, filepath.Join(work, base+".ipynb"), filepath.Join(work, base+".html"), filepath.Join(root, ".tools", "kernel.log"),
		filepath.Join(root, "assets", "echarts.min.js.gz"))
	cmd.Dir = filepath.Dir(notebook)
	opened := filepath.Join(work, openedName)
	if err := os.WriteFile(opened, nil, 0o644); err != nil {
		return 1, fmt.Errorf("%s: cannot write %s: %w", because(err.Error()), opened, err)
	}
	cmd.Env = append(jupyterEnv(root, os.Environ()), "CLIPKIT_OPENED_RUNS="+opened)
	if width := columns(out); width > 0 { // cells write to a pipe; their progress is to fit what is behind it
		cmd.Env = append(cmd.Env, fmt.Sprintf("COLUMNS=%d", width))
	}
	for _, p := range o.params {
		cmd.Env = append(cmd.Env, "CLIPKIT_PARAM_"+strings.ToUpper(p.name)+"="+p.value)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 5 * time.Second
	cmd.ExtraFiles = []*os.File{held}
	// Its own process group: a Ctrl-C in the terminal must reach the runner once, by the control line, and not the kernel at all.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	control, err := cmd.StdinPipe()
	if err != nil {
		return 1, fmt.Errorf("running the notebook: %w", err)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("running the notebook: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timedOut := supervise(control, cmd.Process.Kill, signals, o.timeout, ended, out)
	switch status = cmd.ProcessState.ExitCode(); {
	case timedOut:
		fmt.Fprintf(out, "ended by -timeout %s\n", o.timeout)
		return 1, nil
	case status == 0 || status == 130:
		return status, nil
	}
	return 1, nil
}

// supervise waits for the runner to end. The first Ctrl-C or the timeout interrupts the running cell, which then has GoNB's patience to save; a second Ctrl-C,
// another signal, or 30 seconds more than that patience after the timeout kills the kernel; 10 seconds later the runner itself is killed.
func supervise(control io.WriteCloser, kill func() error, signals <-chan os.Signal, timeout time.Duration, ended <-chan error, out io.Writer) (timedOut bool) {
	var deadline, grace <-chan time.Time
	if timeout > 0 {
		deadline = time.After(timeout)
	}
	interrupted, closed := false, false
	stop := func(now bool) {
		if now || interrupted {
			control.Close()
			closed = true
			grace = time.After(10 * time.Second)
			return
		}
		interrupted = true
		io.WriteString(control, "interrupt\n") // fails only when the runner has ended, and then ended tells
	}
	for {
		select {
		case <-ended:
			return timedOut
		case s := <-signals:
			stop(s != os.Interrupt)
		case <-deadline:
			fmt.Fprintf(out, "\nnot finished after -timeout %s: the running cell is told to stop, and has %s to save\n", timeout, patience)
			timedOut = true
			stop(false)
			if grace == nil {
				grace = time.After(patience + 30*time.Second)
			}
		case <-grace:
			if closed {
				kill()
				grace = nil
			} else {
				stop(true)
			}
		}
	}
}
