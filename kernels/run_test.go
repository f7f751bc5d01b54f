package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binary struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if binary.dir != "" {
		os.RemoveAll(binary.dir)
	}
	os.Exit(status)
}

// kernelsCommand is the real program, built once, in a folder that every user can read.
func kernelsCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	binary.once.Do(func() {
		if binary.dir, binary.err = os.MkdirTemp("", "kernels-test-"); binary.err != nil {
			return
		}
		if binary.err = os.Chmod(binary.dir, 0o755); binary.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(binary.dir, "kernels"), ".").CombinedOutput(); err != nil {
			binary.err = errors.New(string(out))
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return exec.Command(filepath.Join(binary.dir, "kernels"), args...)
}

// fails runs cmd and checks that it ends with the status and one line that has says in it.
func fails(t *testing.T, cmd *exec.Cmd, status int, says string) {
	t.Helper()
	out, _ := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if got := cmd.ProcessState.ExitCode(); got != status || strings.Contains(text, "\n") || !strings.Contains(text, says) {
		t.Errorf("%q: status %d\n%s\nwant status %d and one line with %q", cmd.Args[1:], got, text, status, says)
	}
}

func emptyRepository(t *testing.T) string {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte(testGoMod), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// programs is an environment with an empty HOME, as every login has one, and a PATH with nothing in it but programs of these names that do nothing.
func programs(t *testing.T, names ...string) []string {
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"PATH=" + dir, "HOME=" + t.TempDir()}
}

func TestOneLineForEachThingMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		has  []string
		says string
	}{
		{nil, "no go on PATH"},
		{[]string{"go"}, "no gcc on PATH; install it, on Debian: apt-get install gcc"},
		{[]string{"go", "gcc"}, "no python3 on PATH; install Python 3.10 or later, on Debian: apt-get install python3 python3-venv"},
	} {
		cmd := kernelsCommand(t, "setup")
		cmd.Dir, cmd.Env = emptyRepository(t), programs(t, c.has...)
		fails(t, cmd, 1, c.says)
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"fly", 2, `there is no command "fly"`},
		{"exce a.ipynb", 2, "did you mean exec?"},
		{"help docter", 2, "did you mean doctor?"},
		{"doctor now", 2, `doctor takes only -try, not "now"`},
		{"exec", 2, "which notebook?"},
		{"setup now", 2, `setup takes no arguments, not "now"`},
		{"exec notebooks/no-such.ipynb", 1, "there is no notebook notebooks/no-such.ipynb"},
		{"exec testdata/broken-json.ipynb", 1, "broken JSON"},
		{"exec testdata/hello.ipynb whom=me", 1, `unknown parameter "whom": this notebook has who`},
		{"exec testdata/typed.ipynb steps=many", 1, "wrong value steps=many: steps is a whole number, such as the notebook's own 100"},
		{"exec -kernel tpu testdata/hello.ipynb", 1, `unknown kernel "tpu": this repository has cpu`},
	} {
		fails(t, kernelsCommand(t, strings.Fields(c.args)...), c.status, c.says)
	}
	cmd := kernelsCommand(t, "setup")
	cmd.Dir = t.TempDir()
	fails(t, cmd, 1, "cd into the repository first")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for args, parts := range map[string][]string{
		"help":                            {"lab [jupyter arguments]", "help [COMMAND]"},
		"-h":                              {"lab [jupyter arguments]"},
		"help exec":                       {"usage: go run ./kernels exec [flags] NOTEBOOK", "-timeout 20m"},
		"exec -h":                         {"usage: go run ./kernels exec [flags] NOTEBOOK"},
		"exec --help":                     {"usage: go run ./kernels exec [flags] NOTEBOOK"},
		"exec testdata/typed.ipynb -h":    {"-timeout 20m", "parameters of testdata/typed.ipynb:\n  steps=         a whole number, 100 unless given\n"},
		"exec -h testdata/failing.ipynb":  {"-timeout 20m"},
		"exec testdata/failing.ipynb -h ": {"parameters of testdata/failing.ipynb:\n  none\n"},
		"doctor -h":                       {"doctor [-try]"},
		"setup -help":                     {".tools/setup.log"},
		"lab -h":                          {"JupyterLab's own help"},
		"help lab":                        {"JupyterLab's own help"},
	} {
		out, err := kernelsCommand(t, strings.Fields(args)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", args, err)
		}
		contains(t, args, string(out), parts...)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	root := emptyRepository(t)
	cmd := kernelsCommand(t, "setup")
	cmd.Dir, cmd.Env = root, programs(t, "go", "gcc")
	if os.Getuid() == 0 { // permissions do not stop root: run as nobody
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for dir := filepath.Dir(root); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	fails(t, cmd, 1, "read-only folder (no permission to write): cannot make .tools")
}

// notebookRun runs a notebook of testdata for real, in the repository's own .venv and .tools, which it sets up where they are not.
func notebookRun(t *testing.T, args ...string) (cmd *exec.Cmd, out *bytes.Buffer, dir string) {
	if testing.Short() {
		t.Skip("-short: this test sets up JupyterLab and runs notebooks")
	}
	dir = t.TempDir()
	cmd = kernelsCommand(t, append([]string{"exec", "-out", dir}, args...)...)
	out = new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out, dir
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s has no %q:\n%.3000s", what, part, text)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A page loads something from elsewhere by a tag, a style or a module import.
var loads = regexp.MustCompile(`<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=\s*["']?(?:https?:)?//|(?:import\s*\(?\s*|url\(\s*|@import\s+)["']?https?://`)

func TestNotebookRuns(t *testing.T) {
	t.Parallel()
	cmd, out, dir := notebookRun(t, "testdata/hello.ipynb", "who=世界")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, "the output", out.String(), "[1/3] Hello\n", "[2/3] Hello (2)\n", "\nhello, 世界 on cpu\n", "\n(chart)\n", "\nstep 3 of 3\nin testdata of ", "wrote "+filepath.Join(dir, "hello.html"))
	if strings.Contains(out.String(), "step 2") {
		t.Errorf("a redrawn line was printed in full:\n%s", out)
	}
	contains(t, "the notebook", read(t, filepath.Join(dir, "hello.ipynb")), "hello, 世界 on cpu", `"language_info"`)
	page := read(t, filepath.Join(dir, "hello.html"))
	contains(t, "the page", page, `<html lang="zh">`, `<style media="screen and (prefers-color-scheme: dark)">`, "hello, 世界 on cpu", `<script>document.getElementById("drawn").dataset.alive = "yes"</script>`)
	if found := loads.FindString(page); found != "" {
		t.Errorf("the page loads something from elsewhere: %s", found)
	}
}

func TestNotebookWithAFailingCell(t *testing.T) {
	t.Parallel()
	cmd, out, dir := notebookRun(t, "testdata/failing.ipynb")
	cmd.Run()
	if status := cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if n := strings.Count(out.String(), "exit status"); n != 1 {
		t.Errorf("it says %d times how the cell ended:\n%s", n, out)
	}
	contains(t, "the output", out.String(), "[1/3] fmt.Println(\"first\")\nfirst\n", "panic: this cell fails on purpose in cell [2], line 2\n----> 2 panic(", "cell 2 of 3 failed:\n    | %%\n    | panic(", "exit status 2")
	for _, ext := range []string{".ipynb", ".html"} {
		if text := read(t, filepath.Join(dir, "failing.unfinished"+ext)); !strings.Contains(text, "this cell fails on purpose") || strings.Contains(text, "never reached\n") {
			t.Errorf("failing.unfinished%s is not what ran", ext)
		}
	}
}

// What the compiler finds is told with its place in the cell and what helps, and without the kernel's own lines.
func TestNotebookWithMistakes(t *testing.T) {
	t.Parallel()
	cmd, out, dir := notebookRun(t, "testdata/wrong.ipynb")
	cmd.Run()
	if status := cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	_, said, _ := strings.Cut(out.String(), "    | x := 3\n")
	said, _, _ = strings.Cut(said, "wrote ")
	want := `undefined: ctx in cell [2], line 3
----> 3 fmt.Println(ctx, stesp)
                    ^
  no cell that has run defines ctx: run the one that does (after a restart, the notebook's first cells)
undefined: stesp in cell [2], line 3
----> 3 fmt.Println(ctx, stesp)
                         ^
  did you mean steps?
declared and not used: x in cell [2], line 4
----> 4 x := 3
        ^
  Go wants every variable used: use x, leave it out, or write _ = x
`
	if said != want {
		t.Errorf("exec says\n%s\nwant\n%s", out, want)
	}
	contains(t, "the notebook", read(t, filepath.Join(dir, "wrong.unfinished.ipynb")), `"ename": "CompileError"`, `"evalue": "undefined: ctx in cell [2], line 3"`, "\\u001b[31mundefined: ctx")
}

// The first Ctrl-C reaches the cell once, and the cell has the time to save its work.
func TestNotebookInterrupted(t *testing.T) {
	t.Parallel()
	cmd, _, dir := notebookRun(t, "testdata/patient.ipynb")
	out := &watch{text: "ready\n", seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-out.seen:
	case <-time.After(5 * time.Minute):
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		t.Fatalf("the cell did not start:\n%s", out)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
	contains(t, "the output", out.String(), "interrupting the running cell", "saving\nsaved 0 further signals\n", "stopped in cell 1 of 2\n", "wrote ")
	contains(t, "the notebook", read(t, filepath.Join(dir, "patient.unfinished.ipynb")), "saved 0 further signals")
}

// watch is output that tells when a text has been written. (Its buffer is not embedded: io.Copy would find ReadFrom and pass Write by.)
type watch struct {
	text string
	seen chan struct{}

	mu  sync.Mutex
	all bytes.Buffer
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.all.String(), w.text)
	n, err := w.all.Write(p)
	if !before && strings.Contains(w.all.String(), w.text) {
		close(w.seen)
	}
	return n, err
}

func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
