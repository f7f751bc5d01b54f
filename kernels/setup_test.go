package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const testGoMod = "module clipnb\n\nrequire (\n\tgithub.com/janpfeifer/gonb v0.11.5\n\tgolang.org/x/tools v0.48.0\n)\n\ntool github.com/janpfeifer/gonb\n"

// machine stands in for the programs that a set-up runs.
type machine struct {
	t      *testing.T
	root   string
	python string // what python3 says its version is
	fails  string // the program whose argv contains this fails …
	saying string // … and prints this
	gonb   string // what stands in GoNB's source for its patience
	ran    []string
}

func newMachine(t *testing.T) (*machine, *setup, *bytes.Buffer) {
	m := &machine{t: t, root: t.TempDir(), python: "3.11.7", gonb: changes[0].was}
	m.write("go.mod", testGoMod)
	m.write("go.sum", "")
	var out bytes.Buffer
	look := func(name string) (string, error) { return "/bin/" + name, nil }
	return m, &setup{root: m.root, out: &out, goVersion: "go1.26.8", look: look, run: m.run}, &out
}

func (m *machine) write(name, text string) {
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) run(_ context.Context, c command) error {
	line := strings.ReplaceAll(strings.Join(c.argv, " "), m.root+"/", "")
	m.ran = append(m.ran, line)
	if m.fails != "" && strings.Contains(line, m.fails) {
		fmt.Fprintln(c.out, m.saying)
		return errors.New("exit status 1")
	}
	if strings.HasPrefix(line, ".") { // a program that the set-up made
		if _, err := os.Stat(c.argv[0]); err != nil {
			return err
		}
	}
	switch {
	case strings.HasPrefix(line, "python3 -m venv"):
		m.write(".venv/bin/python", "")
	case strings.Contains(line, "version_info"):
		fmt.Fprintln(c.out, m.python)
	case strings.HasPrefix(line, "go mod download"):
		source := map[string]string{}
		for i, c := range changes {
			if i == 0 {
				c.was = m.gonb
			}
			source[c.file] += c.was
		}
		for name, code := range source {
			m.write("cache/gonb/"+name, code)
		}
		fmt.Fprintf(c.out, `{"Dir": %q}`, filepath.Join(m.root, "cache/gonb"))
	case strings.HasPrefix(line, "go install"):
		mod := strings.TrimPrefix(c.argv[2], "-modfile=")
		for _, c := range changes {
			code, err := os.ReadFile(filepath.Join(filepath.Dir(mod), "gonb", c.file))
			if err != nil || !bytes.Contains(code, []byte(c.is)) {
				m.t.Errorf("GoNB is built from %q, %v", code, err)
			}
		}
		for name := range additions {
			if _, err := os.Stat(filepath.Join(filepath.Dir(mod), "gonb", name)); err != nil {
				m.t.Errorf("GoNB is built without %s", name)
			}
		}
		m.write(".tools/bin/gonb", "")
		m.write(".tools/bin/goimports", "")
	case strings.HasPrefix(line, "go build"):
		if err := os.WriteFile(c.argv[slices.Index(c.argv, "-o")+1], nil, 0o755); err != nil {
			m.t.Error(err)
		}
	}
	return nil
}

// built says which of the two slow builds ran since the last call.
func (m *machine) built() (what string) {
	for _, line := range m.ran {
		if strings.Contains(line, "pip install") {
			what += "venv "
		}
		if strings.HasPrefix(line, "go install") {
			what += "tools"
		}
	}
	m.ran = nil
	return strings.TrimSpace(what)
}

func TestSetupBuildsWhatIsNotInOrder(t *testing.T) {
	t.Parallel()
	m, s, out := newMachine(t)
	for _, step := range []struct {
		name        string
		spoil       func()
		built, says string
	}{
		{"clean machine", func() {}, "venv tools", "setting up .venv (JupyterLab 4.6.6), about 1 minute …"},
		{"again", func() {}, "", ""},
		{"no interpreter", func() { os.Remove(filepath.Join(m.root, ".venv/bin/python")) }, "venv", ".venv is broken"},
		{"no stamp", func() { os.Remove(filepath.Join(m.root, ".venv/clipkit-stamp")) }, "venv", ".venv is unfinished: making it again"},
		{"another Python", func() { m.python = "3.12.1" }, "venv", ".venv is out of date"},
		{"no gonb", func() { os.Remove(filepath.Join(m.root, ".tools/bin/gonb")) }, "tools", ".tools/bin is broken (gonb"},
		{"no goimports", func() { os.Remove(filepath.Join(m.root, ".tools/bin/goimports")) }, "tools", "no goimports"},
		{"another Go", func() { s.goVersion = "go1.27" }, "tools", ".tools/bin is out of date"},
		{"other tools", func() { m.write("go.mod", strings.ReplaceAll(testGoMod, "v0.48.0", "v0.49.0")) }, "tools", ".tools/bin is out of date"},
		{"again", func() {}, "", ""},
	} {
		out.Reset()
		step.spoil()
		if err := s.ensure(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := m.built(); got != step.built || !strings.Contains(out.String(), step.says) || step.says == "" && out.Len() > 0 {
			t.Errorf("%s: built %q, said %q; want %q, %q", step.name, got, out, step.built, step.says)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(m.root, ".tools", "gonb-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestSetupFailsInOneLineAndRecovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*machine, *setup)
		says  string
		is    error
	}{
		{"no gcc", func(m *machine, s *setup) { s.look = without("gcc") }, "no gcc on PATH; install it, on Debian: apt-get install gcc", errMissing},
		{"no python3", func(m *machine, s *setup) { s.look = without("python3") }, "apt-get install python3 python3-venv", errMissing},
		{"old python3", func(m *machine, s *setup) { m.python = "3.9.18" }, "python3 is 3.9.18, JupyterLab needs 3.10", errMissing},
		{"no venv", func(m *machine, s *setup) { m.fails, m.saying = "ensurepip", "No module named 'ensurepip'" }, "apt-get install python3-venv", errMissing},
		{"no network", func(m *machine, s *setup) {
			m.fails, m.saying = "pip install", "NewConnectionError: Temporary failure in name resolution\nERROR: No matching distribution found for anyio"
		}, "no network", nil},
		{"disk full", func(m *machine, s *setup) {
			m.fails, m.saying = "pip install", "OSError: [Errno 28] No space left on device"
		}, "disk full", nil},
		{"no network for Go", func(m *machine, s *setup) { m.fails, m.saying = "go mod download", "dial tcp: lookup: no such host" }, "no network", nil},
		{"no home for Go", func(m *machine, s *setup) {
			m.fails, m.saying = "go mod download", "go: module cache not found: neither GOMODCACHE nor GOPATH is set"
		}, "set HOME, or GOCACHE, GOMODCACHE and XDG_CACHE_HOME", nil},
		{"a home that cannot be written", func(m *machine, s *setup) {
			m.fails, m.saying = "go install", "go: could not create module cache: mkdir /home/x/go: permission denied"
		}, "set GOCACHE, GOMODCACHE and XDG_CACHE_HOME", nil},
		{"another GoNB", func(m *machine, s *setup) { m.gonb = "var WaitToKill = time.Hour\n" }, "must change together", errGoNB},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s, _ := newMachine(t)
			look := s.look
			c.spoil(m, s)
			err := s.ensure(t.Context())
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("got %v, want %v", err, c.is)
			}
			if first, _, _ := strings.Cut(err.Error(), "\n"); !strings.Contains(first, c.says) {
				t.Errorf("the first line is %q, want %q in it", first, c.says)
			}
			m.fails, m.python, m.gonb, s.look = "", "3.11.7", changes[0].was, look
			if err := s.ensure(t.Context()); err != nil {
				t.Errorf("repaired, but: %v", err)
			}
		})
	}
}

func without(missing string) func(string) (string, error) {
	return func(name string) (string, error) {
		if name == missing {
			return "", os.ErrNotExist
		}
		return name, nil
	}
}

func TestSetupWaitsForAnother(t *testing.T) {
	t.Parallel()
	_, s, out := newMachine(t)
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := s.lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second set-up got the lock: %v", err)
	}
	if !strings.Contains(out.String(), "another set-up is running") {
		t.Errorf("said %q", out)
	}
	unlock()
	unlock, err = s.lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestRequirementsArePinned(t *testing.T) {
	t.Parallel()
	pin, hash := regexp.MustCompile(`^[A-Za-z0-9._-]+==[0-9A-Za-z.]+(; .+)? \\$`), regexp.MustCompile(`^    --hash=sha256:[0-9a-f]{64}( \\)?$`)
	ended := true // the hashes of a package
	for n, line := range strings.Split(strings.TrimSpace(string(requirements)), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case ended && pin.MatchString(line):
			ended = false
		case !ended && hash.MatchString(line):
			ended = !strings.HasSuffix(line, "\\")
		default:
			t.Errorf("requirements.txt:%d: %q is not name==version with its hashes behind it", n+1, line)
		}
	}
}

func TestLabArgs(t *testing.T) {
	t.Parallel()
	asRoot := strings.Join(labArgs("/r", 0, []string{"--no-browser"}), " ")
	if !strings.HasPrefix(asRoot, "/r/.venv/bin/python -m jupyterlab --ServerApp.root_dir=/r --ServerApp.ip=127.0.0.1 ") || !strings.HasSuffix(asRoot, "--allow-root --no-browser") {
		t.Error(asRoot)
	}
	if asUser := strings.Join(labArgs("/r", 1000, nil), " "); strings.Contains(asUser, "--allow-root") {
		t.Error(asUser)
	}
}

func TestKernelsAreComplete(t *testing.T) {
	t.Parallel()
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	logos := map[string]string{} // Jupyter shows them as cards
	names := kernelNames(root)
	if len(names) == 0 || names[0] != "cpu" {
		t.Fatalf("kernels: %q", names)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(name, "kernel.json"))
		if err != nil {
			t.Fatal(err)
		}
		// By signal, Jupyter would send SIGINT to the cell a second time, over GoNB's head.
		for _, want := range []string{`"interrupt_mode": "message"`, `"CLIPKIT_DEVICE": "` + name + `"`, `{resource_dir}/../launch.sh`, `"language": "go"`} {
			if !strings.Contains(string(data), want) {
				t.Errorf("kernels/%s/kernel.json has no %s", name, want)
			}
		}
		for _, logo := range []string{"logo-svg.svg", "logo-64x64.png", "logo-32x32.png"} {
			data, err := os.ReadFile(filepath.Join(name, logo))
			if other := logos[string(data)]; err != nil || other != "" {
				t.Errorf("kernels/%s/%s: %v, the same as that of %q", name, logo, err, other)
			}
			logos[string(data)] = name
		}
	}
	if info, err := os.Stat("launch.sh"); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("launch.sh must be executable: %v", err)
	}
}

func mustGetwd(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDoctorOnAnEmptyRepository(t *testing.T) {
	t.Parallel()
	m, _, _ := newMachine(t)
	var out bytes.Buffer
	if status := doctor(t.Context(), m.root, false, &out); status != 1 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"LACKS .venv    is not there; run: go run ./kernels setup", "LACKS gonb     .tools/bin is not there", "no kernels/cpu/kernel.json", "the cpu kernel cannot run yet"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if _, err := os.Stat(filepath.Join(m.root, ".tools")); err == nil {
		t.Error("doctor changed something")
	}
}

// What the probe's compiler said is shown, and doctor says the rest all the same.
func TestDoctorWhenTheProbeDoesNotBuild(t *testing.T) {
	t.Parallel()
	m, s, _ := newMachine(t)
	m.write("kernels/probe/main.go", "package main")
	m.fails, m.saying = "go build", "undefined: something"
	var out bytes.Buffer
	if s.probe(t.Context(), &out, []string{"", "npu"}) {
		t.Error("a probe that was not built found everything in order")
	}
	if said := out.String(); !strings.Contains(said, "undefined: something\nLACKS engines  go build ./kernels/probe: exit status 1") || !strings.Contains(said, "the devices were not looked at") {
		t.Error(said)
	}
	m.fails, m.ran = "bash", nil
	out.Reset()
	if !s.probe(t.Context(), &out, []string{"", "npu"}) || !strings.Contains(out.String(), "LACKS engines  go run ./kernels/probe npu: exit status 1") || len(m.ran) != 3 {
		t.Errorf("%q\n%s", m.ran, &out)
	}
}
