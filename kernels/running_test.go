package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func running(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, runningPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// A run that is killed leaves no .running-* folder.
// fault 19.12
func TestKilledRunLeavesNoFolder(t *testing.T) {
	t.Parallel()
	cmd, _, dir := notebookRun(t, "testdata/patient.ipynb")
	out := &watch{text: "ready\n", seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // the runner holds the pipe a little longer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.seen:
	case err := <-ended:
		t.Fatalf("the cell did not start: %v\n%s", err, out)
	}
	if len(running(t, dir)) != 1 {
		t.Errorf("while it runs: %v", running(t, dir))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	for end := time.Now().Add(5 * time.Minute); len(running(t, dir)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("five minutes after the end: %v", running(t, dir))
		}
	}
}

// Where all of a run's processes were killed, the next run removes its folder, and no other's.
// fault 19.12
func TestNextRunRemovesAbandonedFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := time.Now().Add(-time.Hour)
	begin := func() (string, *os.File) {
		work, held, err := workFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, "a.ipynb"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return work, held
	}
	dead, held := begin()
	held.Close() // as the end of its processes does
	fresh, held := begin()
	held.Close()
	runs, held := begin()
	for _, old := range []string{dead, runs} {
		if err := os.Chtimes(old, long, long); err != nil {
			t.Fatal(err)
		}
	}
	// The lock is the open file's: a child that has it keeps it.
	child, err := syscall.Dup(int(held.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	held.Close()
	next, last := begin()
	if got, want := len(running(t, dir)), 3; got != want {
		t.Errorf("%v, want %v", running(t, dir), []string{fresh, runs, next})
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the dead run's folder is still there")
	}
	syscall.Close(child)
	last.Close()
	os.Chtimes(runs, long, long)
	begin()
	if _, err := os.Stat(runs); err == nil {
		t.Error("after its last process has ended the folder is still there")
	}
}
