package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

//go:embed requirements.txt
var requirements []byte

// labSettings answers JupyterLab's first question, whether to fetch news from another host: no.
const labSettings = `{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
`

// errMissing marks a program that the user has to install.
var errMissing = errors.New("missing")

// command is one program to run; its output goes to out, which must not be nil.
type command struct {
	argv []string
	dir  string
	env  []string // added to the process's own
	out  io.Writer
}

// setup makes .venv and .tools under root. What it touches outside (programs, output) is a field, for tests.
type setup struct {
	root      string
	out       io.Writer
	goVersion string
	look      func(program string) (path string, err error)
	run       func(context.Context, command) error
}

func newSetup(root string, out io.Writer) *setup {
	return &setup{root: root, out: out, goVersion: runtime.Version(), look: exec.LookPath, run: runCommand}
}

func runCommand(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = c.out, c.out
	cmd.WaitDelay = 5 * time.Second // a grandchild may hold the pipe
	return cmd.Run()
}

// ensure sets up what is not set up. When all is in order it takes some 50 ms.
func (s *setup) ensure(ctx context.Context) error {
	return s.locked(ctx, func() error {
		if err := s.ensureVenv(ctx); err != nil {
			return err
		}
		return s.ensureTools(ctx)
	})
}

// ensureKernel sets up what a kernel needs in a Jupyter that is not this repository's.
func (s *setup) ensureKernel(ctx context.Context) error {
	return s.locked(ctx, func() error { return s.ensureTools(ctx) })
}

func (s *setup) locked(ctx context.Context, build func() error) error {
	if err := s.needPrograms(); err != nil {
		return err
	}
	tools := filepath.Join(s.root, ".tools")
	if err := os.MkdirAll(filepath.Join(tools, "jupyter"), 0o777); err != nil {
		return fmt.Errorf("%s: cannot make .tools: %w", because(err.Error()), err)
	}
	unlock, err := s.lock(ctx, filepath.Join(tools, "setup.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return build()
}

func (s *setup) needPrograms() error {
	for _, p := range []struct{ name, fix string }{
		{"go", "install Go, see README"},
		{"gcc", "install it, on Debian: apt-get install gcc libc6-dev (cells use cgo)"},
	} {
		if _, err := s.look(p.name); err != nil {
			return fmt.Errorf("%w: no %s on PATH; %s", errMissing, p.name, p.fix)
		}
	}
	return nil
}

// lock keeps two set-ups from building the same folders at once.
func (s *setup) lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot lock the set-up: %w", because(err.Error()), err)
	}
	for waited := false; ; waited = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if !waited {
			fmt.Fprintln(s.out, "another set-up is running here; waiting for it …")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// probeVenv prints the version of a .venv's Python, and fails where JupyterLab is not there.
const probeVenv = `import sys, importlib.util as u
missing = [m for m in ("jupyterlab", "nbclient", "nbconvert", "jupyter_server_proxy") if u.find_spec(m) is None]
sys.exit("no " + missing[0] if missing else print("%d.%d.%d" % sys.version_info[:3]))`

func venvStamp(requirements []byte, pythonVersion string) string {
	return fmt.Sprintf("requirements sha256 %x\npython %s\n%s", sha256.Sum256(requirements), pythonVersion, labSettings)
}

// venvProblem says why .venv cannot be used as it is, or "".
func (s *setup) venvProblem(ctx context.Context) string {
	if _, err := os.Stat(filepath.Join(s.root, ".venv")); err != nil {
		return "not there"
	}
	stamp, err := os.ReadFile(filepath.Join(s.root, ".venv", "clipkit-stamp"))
	if err != nil {
		return "unfinished"
	}
	var out bytes.Buffer
	if err := s.run(ctx, command{argv: []string{python(s.root), "-I", "-c", probeVenv}, dir: s.root, out: &out}); err != nil {
		return "broken (" + lastLine(out.String(), err.Error()) + ")"
	}
	if string(stamp) != venvStamp(requirements, strings.TrimSpace(out.String())) {
		return "out of date"
	}
	return ""
}

var labVersion = regexp.MustCompile(`(?m)^jupyterlab==(\S+)`)

func (s *setup) ensureVenv(ctx context.Context) error {
	problem := s.venvProblem(ctx)
	if problem == "" {
		return nil
	}
	version, err := s.needPython(ctx)
	if err != nil {
		return err
	}
	if problem != "not there" {
		fmt.Fprintf(s.out, ".venv is %s: making it again\n", problem)
	}
	fmt.Fprintf(s.out, "setting up .venv (JupyterLab %s), about 1 minute …\n", labVersion.FindSubmatch(requirements)[1])
	venv := filepath.Join(s.root, ".venv")
	if err := os.RemoveAll(venv); err != nil {
		return fmt.Errorf("%s: cannot remove the old .venv: %w", because(err.Error()), err)
	}
	if err := s.logged(ctx, "making .venv", &watched{}, command{argv: []string{"python3", "-m", "venv", venv}}); err != nil {
		return err
	}
	list := filepath.Join(venv, "requirements.txt")
	if err := os.WriteFile(list, requirements, 0o644); err != nil {
		return fmt.Errorf("%s: cannot write %s: %w", because(err.Error()), list, err)
	}
	pip := []string{python(s.root), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", list}
	packages := &watched{part: regexp.MustCompile(`^(Collecting|Ignoring) `), parts: len(regexp.MustCompile(`(?m)^\w.*==`).FindAll(requirements, -1))}
	if err := s.logged(ctx, "pip install", packages, command{argv: pip}); err != nil {
		return err
	}
	settings := filepath.Join(venv, "share", "jupyter", "lab", "settings")
	if err := os.MkdirAll(settings, 0o777); err != nil {
		return fmt.Errorf("%s: cannot make %s: %w", because(err.Error()), settings, err)
	}
	if err := os.WriteFile(filepath.Join(settings, "overrides.json"), []byte(labSettings), 0o644); err != nil {
		return fmt.Errorf("%s: cannot write JupyterLab's settings: %w", because(err.Error()), err)
	}
	return writeStamp(filepath.Join(venv, "clipkit-stamp"), venvStamp(requirements, version))
}

// needPython returns the version of the python3 on PATH, which must be able to make virtual environments.
func (s *setup) needPython(ctx context.Context) (version string, err error) {
	if _, err := s.look("python3"); err != nil {
		return "", fmt.Errorf("%w: no python3 on PATH; install Python 3.10 or later, on Debian: apt-get install python3 python3-venv", errMissing)
	}
	ask := func(code string) (string, error) {
		var out bytes.Buffer
		err := s.run(ctx, command{argv: []string{"python3", "-c", code}, dir: s.root, out: &out})
		return strings.TrimSpace(out.String()), err
	}
	version, err = ask(`import sys; print("%d.%d.%d" % sys.version_info[:3])`)
	if err != nil {
		return "", fmt.Errorf("%w: python3 does not run: %s; reinstall Python 3.10 or later", errMissing, lastLine(version, err.Error()))
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < 3 || major == 3 && minor < 10 {
		return "", fmt.Errorf("%w: python3 is %s, JupyterLab needs 3.10 or later; install a newer Python and put it first on PATH", errMissing, version)
	}
	if said, err := ask("import venv, ensurepip"); err != nil {
		return "", fmt.Errorf("%w: python3 cannot make virtual environments (%s); on Debian: apt-get install python3-venv", errMissing, lastLine(said, err.Error()))
	}
	return version, nil
}

// logged runs c with its output in .tools/setup.log, and w's line of it on the screen; on failure the error has one line with the cause, and the log's last lines.
func (s *setup) logged(ctx context.Context, doing string, w *watched, c command) error {
	path := filepath.Join(s.root, ".tools", "setup.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return fmt.Errorf("%s: cannot write the log: %w", because(err.Error()), err)
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s %s\n", time.Now().UTC().Format(time.RFC3339), strings.Join(c.argv, " "))
	var said bytes.Buffer
	w.doing, w.start = doing, time.Now()
	c.out = io.MultiWriter(log, &said, w)
	if c.dir == "" {
		c.dir = s.root
	}
	stop := w.follow(s.out)
	err = s.run(ctx, c)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		tail := strings.Split(strings.TrimRight(said.String(), "\n"), "\n")
		tail = tail[max(0, len(tail)-6):]
		return fmt.Errorf("%s: %s failed (%w); all of its output is in .tools/setup.log, the end:\n  %s",
			because(said.String()), doing, err, strings.Join(tail, "\n  "))
	}
	return nil
}

// because names the usual cause behind a tool's output or a system error in a few words.
func because(text string) string {
	for _, c := range []struct{ cause, marks string }{
		{"no folder for Go's caches; set HOME, or GOCACHE, GOMODCACHE and XDG_CACHE_HOME", `GOCACHE is not defined|module cache not found|GOPATH entry is`},
		{"Go's caches cannot be written; set GOCACHE, GOMODCACHE and XDG_CACHE_HOME to folders that can",
			`(?:go-build|go/pkg|pkg/mod|GOCACHE|/go)\S*: (?:permission denied|read-only file system|not a directory)`},
		{"disk full", `No space left on device|no space left|Disk quota exceeded|disk quota exceeded`},
		{"read-only folder (no permission to write)", `Permission denied|permission denied|Read-only file system|read-only file system`},
		{"no network (a package registry could not be reached)", `name resolution|Name or service not known|no such host|Connection refused|connection refused|` +
			`Network is unreachable|network is unreachable|NewConnectionError|ConnectTimeout|ProxyError|dial tcp|i/o timeout`},
		{"no network, or the package registry does not have it", `from versions: none`},
		{"the package registry does not have it", `No matching distribution found|404 Not Found|unknown revision`},
		{"a download differs from its checksum", `checksum mismatch|THESE PACKAGES DO NOT MATCH`},
	} {
		if regexp.MustCompile(c.marks).MatchString(text) {
			return c.cause
		}
	}
	return "stopped"
}

func lastLine(text, otherwise string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return otherwise
}

// writeStamp is the last act of a build: the stamp is whole or absent.
func writeStamp(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return fmt.Errorf("%s: cannot write a stamp: %w", because(err.Error()), err)
	}
	return os.Rename(path+".new", path)
}
