package golden

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Timing is how long one call took, in seconds. What else the machine does disturbs CPU less than Wall.
type Timing struct{ Wall, CPU float64 }

// Reference is a running Python program that has the reference do one piece of work for every line on its standard input, and prints its Timing.
type Reference struct {
	About  string  // what it said when it was ready: its version, threads and TF32 setting
	PeakMB float64 // its largest size so far: the process's, on a GPU what lies in the GPU's memory

	b   testing.TB
	in  *os.File
	out *bufio.Scanner
}

// PyTorch starts testdata/pytorch.py with these arguments, in the python that CLIPKIT_TORCH_PYTHON names, which needs torch and cn-clip, and has it do
// its work once. It gives nil when that is not set.
func PyTorch(b testing.TB, args ...string) *Reference {
	r := Begin(b, args...)
	if r != nil {
		r.Ready()
	}
	return r
}

// Begin is PyTorch, without waiting: Ready does that.
func Begin(b testing.TB, args ...string) *Reference {
	python := os.Getenv("CLIPKIT_TORCH_PYTHON")
	if python == "" {
		b.Log("no comparison: CLIPKIT_TORCH_PYTHON names no python with torch and cn-clip")
		return nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command(python, append([]string{Path("pytorch.py")}, args...)...)
	cmd.Stdin, cmd.Stderr = read, os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatalf("CLIPKIT_TORCH_PYTHON: %v", err)
	}
	b.Cleanup(func() { write.Close(); _ = cmd.Wait() })
	return &Reference{b: b, in: write, out: bufio.NewScanner(out)}
}

// Ready waits until the program has started, and has it do its work once more.
func (r *Reference) Ready() {
	if r.out.Scan() {
		r.About = r.out.Text()
	}
	if !strings.HasPrefix(r.About, "ready") {
		r.b.Fatalf("CLIPKIT_TORCH_PYTHON did not start %s: %q", Path("pytorch.py"), r.About)
	}
	r.Do() // warm-up
}

// Do has the reference do its work once.
func (r *Reference) Do() (t Timing) {
	fmt.Fprintln(r.in)
	if !r.out.Scan() {
		r.b.Fatal("the reference stopped")
	}
	n, err := fmt.Sscan(r.out.Text(), &t.Wall, &t.CPU, &r.PeakMB)
	if n < 2 {
		r.b.Fatalf("the reference printed %q: %v", r.out.Text(), err)
	}
	return t
}

// Race times work b.N times and, after each time, the same work of the reference, which may be nil. It reports the reference's median seconds
// divided by ours as "×pytorch", and the same of CPU seconds as "×pytorch-cpu": above 1 we are faster. It returns our median.
func Race(b *testing.B, r *Reference, work func()) Timing {
	var ours, theirs []Timing
	for b.Loop() {
		t, _ := Time(func() error { work(); return nil })
		ours = append(ours, t)
		if r != nil {
			theirs = append(theirs, r.Do())
		}
	}
	m := Median(ours)
	if r != nil {
		other := Median(theirs)
		b.ReportMetric(other.Wall/m.Wall, "×pytorch")
		b.ReportMetric(other.CPU/m.CPU, "×pytorch-cpu")
	}
	return m
}

// Time is how long work takes here.
func Time(work func() error) (Timing, error) {
	start, cpu := time.Now(), cpuSeconds()
	err := work()
	return Timing{time.Since(start).Seconds(), cpuSeconds() - cpu}, err
}

// Median is that of the seconds and that of the CPU seconds.
func Median(all []Timing) Timing {
	var wall, cpu []float64
	for _, t := range all {
		wall, cpu = append(wall, t.Wall), append(cpu, t.CPU)
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	return Timing{wall[len(all)/2], cpu[len(all)/2]}
}

// cpuSeconds is the processor time that this process has used so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// PeakMB is the largest resident size of this process so far.
func PeakMB() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Maxrss) / 1024
}
