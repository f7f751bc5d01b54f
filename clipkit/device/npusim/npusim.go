// Package npusim builds a SIMULATED Ascend runtime for tests: the real CANN provider of ONNX Runtime runs over it where there is no card
// (testdata/simulated_ascendcl.cc says what it does and what it cannot show). Only tests import it.
//
//	sim := npusim.Build(t)
//	cmd.Env = append(os.Environ(), sim.Env()...)   // LD_LIBRARY_PATH is read when a process starts
//	…
//	sim.Counters(t, 1).ToDevice                     // bytes that went to device 1
package npusim

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Sim is a built runtime with a file of counters.
type Sim struct{ dir, counters string }

// Counters are what a device did, in the order of the C++ struct.
type Counters struct {
	ToDevice, CopiesTo     int64 // bytes, times
	FromDevice, CopiesFrom int64
	OnDevice               int64 // bytes copied within
	Executions             int64
	ModelsMade, ModelsNow  int64
	BytesNow, BytesPeak    int64
}

// Build compiles the stand-in, with the header that comes with compute-onnx. It skips the test where there is no C++ compiler.
func Build(t *testing.T) Sim {
	t.Helper()
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ here: the simulated Ascend runtime cannot be built (apt-get install g++)")
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/compute-onnx").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := exec.Command("go", "list", "-f", "{{.Dir}}", "clipnb/clipkit/device/npusim").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := Sim{dir: t.TempDir()}
	s.counters = filepath.Join(s.dir, "counters")
	compile := func(args ...string) {
		if out, err := exec.Command("g++", append([]string{"-O1", "-std=c++17", "-shared", "-fPIC"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("g++ %v: %v\n%s", args, err, out)
		}
	}
	compile("-Wall", "-I", filepath.Join(strings.TrimSpace(string(module)), "internal", "ort"), "-o", filepath.Join(s.dir, "libascendcl.so"),
		filepath.Join(strings.TrimSpace(string(source)), "testdata", "simulated_ascendcl.cc"), "-ldl")
	for _, name := range []string{"libacl_op_compiler.so", "libfmk_onnx_parser.so"} { // their functions are in the first one
		compile("-x", "c++", "/dev/null", "-o", filepath.Join(s.dir, name))
	}
	return s
}

// Env is what a process needs to use it.
func (s Sim) Env() []string {
	return []string{"LD_LIBRARY_PATH=" + s.dir, "SIMULATED_ACL_COUNTERS=" + s.counters}
}

// Again is the same runtime with counters of its own, for another process.
func (s Sim) Again(t *testing.T) Sim {
	s.counters = filepath.Join(t.TempDir(), "counters")
	return s
}

// Here is the runtime that this process was started with.
func Here() Sim { return Sim{counters: os.Getenv("SIMULATED_ACL_COUNTERS")} }

// Counters of a device, as they stand now.
func (s Sim) Counters(t *testing.T, device int) (c Counters) {
	t.Helper()
	f, err := os.Open(s.counters)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(int64(device*binary.Size(c)), 0); err != nil {
		t.Fatal(err)
	}
	if err := binary.Read(f, binary.NativeEndian, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Minus gives the counters of what happened between two readings; ModelsNow, BytesNow and BytesPeak stay those of the later one.
func (c Counters) Minus(before Counters) Counters {
	c.ToDevice -= before.ToDevice
	c.CopiesTo -= before.CopiesTo
	c.FromDevice -= before.FromDevice
	c.CopiesFrom -= before.CopiesFrom
	c.OnDevice -= before.OnDevice
	c.Executions -= before.Executions
	c.ModelsMade -= before.ModelsMade
	return c
}
