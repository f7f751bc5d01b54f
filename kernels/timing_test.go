package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What a person waits for: the kernel's start, a warm cell with the quickstart's imports (in seconds and in seconds of the processor's), and the first state of
// progress after a training cell's first line. On a machine with nothing else to do:
//
//	go test -run xxx -bench Waiting -benchtime 3x ./kernels
func BenchmarkWaiting(b *testing.B) {
	root, err := findRoot(mustGetwd(b))
	if err != nil {
		b.Fatal(err)
	}
	if out, err := kernelsCommand(b, "setup").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	sums := map[string]float64{}
	for b.Loop() {
		run := fmt.Sprintf("test-waiting-%d", os.Getpid())
		cmd := exec.Command(python(root), "testdata/timing.py", run)
		cmd.Env = jupyterEnv(root, os.Environ())
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		os.RemoveAll(filepath.Join(root, "experiments", run))
		var figures map[string]float64
		if err == nil {
			err = json.Unmarshal(out, &figures)
		}
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		for name, v := range figures {
			sums[name] += v
		}
	}
	for name, sum := range sums {
		b.ReportMetric(sum/float64(b.N), name)
	}
}
