package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const runningPrefix = ".running-"

// workFolder makes the folder of a run in out, and removes those of runs that were killed. A run holds a lock on its folder, by the open file, until its last
// process has ended; the runner, which gets the file too, removes the folder itself where it is this program alone that was killed.
func workFolder(out string) (work string, held *os.File, err error) {
	left, _ := filepath.Glob(filepath.Join(out, runningPrefix+"*")) // a bracket in the path finds none
	for _, dir := range left {
		removeAbandoned(dir)
	}
	if work, err = os.MkdirTemp(out, runningPrefix); err != nil {
		return "", nil, fmt.Errorf("%s: cannot write results: %w", because(err.Error()), err)
	}
	if held, err = os.Open(work); err != nil {
		os.RemoveAll(work)
		return "", nil, fmt.Errorf("%s: cannot open the run's folder: %w", because(err.Error()), err)
	}
	_ = syscall.Flock(int(held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // where the file system has no locks, nothing is removed either
	return work, held, nil
}

// removeAbandoned removes a run's folder that nobody holds. One that is new may belong to a run that is about to lock it.
func removeAbandoned(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || time.Since(info.ModTime()) < time.Minute || syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return
	}
	os.RemoveAll(dir)
}
