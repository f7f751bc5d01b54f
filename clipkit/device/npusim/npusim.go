// Package npusim builds SIMULATED NPUs for tests: an Ascend runtime, over which the real CANN provider of ONNX Runtime runs where there is no card
// (testdata/simulated_ascendcl.cc says what it does and what it cannot show), with the library by which cards add up (simulated_hccl.cc), and a
// plugin provider. Only tests import it.
//
//	sim := npusim.Build(t, t.TempDir())            // or a folder that several tests share: it is built once
//	cmd.Env = append(os.Environ(), sim.Env()...)   // LD_LIBRARY_PATH is read when a process starts
//	…
//	sim.Counters(t, 1).ToDevice                     // bytes that went to device 1
package npusim

import (
	"bytes"
	"embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// Build compiles the stand-in in dir, unless it is there already. It skips the test where there is no C++ compiler. The counters are the test's own.
func Build(t *testing.T, dir string) Sim {
	t.Helper()
	s := Sim{dir: dir, counters: filepath.Join(t.TempDir(), "counters")}
	compile(t, "simulated_ascendcl.cc", filepath.Join(s.dir, "libascendcl.so"))
	for _, name := range []string{"libacl_op_compiler.so", "libfmk_onnx_parser.so"} { // their functions are in the first one
		compile(t, "empty.cc", filepath.Join(s.dir, name))
	}
	return s
}

// WithHCCL compiles the stand-in for libhccl beside it. SIMULATED_HCCL_FAULT has calls of it fail, as its source says.
func (s Sim) WithHCCL(t *testing.T) Sim {
	t.Helper()
	compile(t, "simulated_hccl.cc", filepath.Join(s.dir, "libhccl.so"))
	return s
}

// BuildPlugin compiles a SIMULATED plugin provider, with two NPUs that can multiply matrices, and gives its path.
func BuildPlugin(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libsimulated_plugin.so")
	compile(t, "simulated_plugin.cc", path)
	return path
}

// compile makes a library of one of testdata's files, with ONNX Runtime's headers as they come with compute-onnx.
func compile(t *testing.T, source, library string) {
	t.Helper()
	if _, err := os.Stat(library); err == nil {
		return
	}
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ here: the simulated NPU cannot be built (apt-get install g++)")
	}
	text, err := sources.ReadFile("testdata/" + source)
	if err != nil {
		t.Fatal(err)
	}
	where, err := headers()
	if err != nil {
		t.Fatalf("looking for the sources of compute-onnx: %v", err)
	}
	cmd := exec.Command("g++", "-O1", "-std=c++17", "-Wall", "-shared", "-fPIC", "-I", where, "-x", "c++", "-o", library, "-", "-ldl")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", source, err, out)
	}
}

//go:embed testdata
var sources embed.FS

// headers is compute-onnx's folder of ONNX Runtime's headers.
var headers = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "-m", "github.com/gomlx/compute-onnx").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "ort"), err
})

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
