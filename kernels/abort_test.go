package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed gonb/abort_test.go.txt
var abortTest []byte

var patchFile = flag.String("patch", "", "write the change that has errors abort the queue here, against GoNB's own source")

// A failed, interrupted or uncompilable cell aborts what waits behind it, and what comes later runs (GoNB by itself, over its sockets).
// fault 19.14
func TestAbortIsFitForGoNB(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test builds GoNB")
	}
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, work := context.WithoutCancel(t.Context()), t.TempDir()
	own := map[string][]byte{"internal/dispatcher/abort_test.go": abortTest}
	for _, name := range []string{"internal/dispatcher/abort.go", "internal/goexec/interrupt.go"} {
		own[name] = additions[name]
	}
	if err := newSetup(root, os.Stderr).changedGoNB(ctx, goMod, work, abortChanges, own); err != nil {
		t.Fatal(err)
	}
	test := exec.Command("go", "test", "-modfile="+filepath.Join(work, "go.mod"), gonbModule+"/internal/dispatcher", "-run", "TestErrorAbortsQueue", "-count=1")
	test.Dir, test.Env = root, append(os.Environ(), "GOWORK=off")
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("GoNB's own test: %v\n%s", err, out)
	}
	if *patchFile == "" {
		return
	}
	if err := newSetup(root, os.Stderr).changedGoNB(ctx, goMod, filepath.Join(work, "unchanged"), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(filepath.Join(work, "unchanged", "gonb"), filepath.Join(work, "a")), os.Rename(filepath.Join(work, "gonb"), filepath.Join(work, "b"))); err != nil {
		t.Fatal(err)
	}
	diff := exec.Command("git", "diff", "--no-index", "--no-prefix", "a", "b")
	diff.Dir = work
	patch, err := diff.Output()
	if len(patch) == 0 {
		t.Fatal(err)
	}
	if err := os.WriteFile(*patchFile, patch, 0o644); err != nil {
		t.Fatal(err)
	}
}

// In the kernel that setup builds, a failed, interrupted or uncompilable cell ends "Run all", whenever the interruption comes.
// fault 19.14
func TestRunAllEndsWithAFailedCell(t *testing.T) {
	out := inJupyter(t, "testdata/runall.py", t.TempDir())
	const want = `panics: error aborted aborted
comes later: ok
does not compile: error aborted aborted
exits with 3: error aborted aborted
stop_on_error false: error ok ok
interrupted while it runs: error aborted aborted
interrupted and ends by itself: ok aborted aborted
interrupted at once: error aborted aborted
interrupted soon: error aborted aborted
interrupted later: error aborted aborted
comes after all: ok
nbclient: ran 1, 2 and failed
nbclient, errors allowed: ran 1, 2, 3
`
	if out != want {
		t.Errorf("replies:\n%s\nwant:\n%s", out, want)
	}
}

// setUp is this repository, in which setup has made what a kernel in Jupyter needs.
func setUp(t *testing.T) (root string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: this test sets up Jupyter and the kernel")
	}
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := kernelsCommand(t, "setup").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// inJupyter is what a Python program says in the environment that setup makes, with the kernels.
func inJupyter(t *testing.T, script string, args ...string) string {
	t.Helper()
	root := setUp(t)
	cmd := exec.Command(python(root), append([]string{script}, args...)...)
	cmd.Env = jupyterEnv(root, os.Environ())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
