package device_test

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
)

func TestXLA(t *testing.T)  { devicetest.Test(t, "cpu:xla") }
func TestONNX(t *testing.T) { devicetest.Test(t, "cpu:onnx") }
func TestGo(t *testing.T)   { devicetest.Test(t, "cpu:go") }

func TestCUDA(t *testing.T) {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		if _, err := device.Open("cuda"); !errors.Is(err, device.ErrRuntime) || !strings.Contains(err.Error(), "no NVIDIA GPU is here") {
			t.Errorf("without a GPU: %v", err)
		}
		t.Skip("no NVIDIA GPU is here")
	}
	devicetest.Test(t, "cuda")
	if _, err := device.Open("cuda:99"); !errors.Is(err, device.ErrUnknown) {
		t.Errorf("GPU 99: %v", err)
	}
}

// A program that imports this package, as this test's does, keeps the allocator that it had: shared libraries find no other one in it first.
func TestImportingReplacesNoAllocator(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into an ELF file")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		switch s.Name {
		case "malloc", "free", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc", "malloc_usable_size", "malloc_trim":
			if s.Section != elf.SHN_UNDEF {
				t.Errorf("%s is this program's own", s.Name)
			}
		}
	}
}

func TestUnknownDevices(t *testing.T) {
	for _, name := range []string{"tpu", "cpu:turbo", "npu:gaudi", "cuda:x", "cuda:-1"} {
		if _, err := device.Open(name); !errors.Is(err, device.ErrUnknown) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("CLIPKIT_DEVICE", "nonsense")
	if _, err := device.Open(""); !errors.Is(err, device.ErrUnknown) {
		t.Error(err)
	}
}

func TestPeakIsMeasuredAndKept(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", cacheWithRuntimes(t))
	dev, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	first := dev.PeakGFLOPS()
	if first < 1 || first > 1e6 {
		t.Fatalf("peak %v GFLOP/s", first)
	}
	again, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := again.PeakGFLOPS(); got < first {
		t.Errorf("the best of two measurements is %v, the first was %v", got, first)
	}
}

// A peak that was measured on a busy machine is measured again when a rate passes it, and no share is more than all.
func TestShareOfPeakIsNeverMoreThanAll(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", cacheWithRuntimes(t))
	dev, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "clipkit", "peak.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{%q: {"gflops": 0.5, "tries": 5}}`, dev.Machine()), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := dev.ShareOfPeak(0.25); got != 0.5 {
		t.Errorf("half of a peak that is believed is %v", got)
	}
	if got := dev.ShareOfPeak(0.75); got <= 0 || got > 0.75 {
		t.Errorf("the share is %v of a peak that was to be measured again: %v GFLOP/s", got, dev.PeakGFLOPS())
	}
	kept, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(kept), `"at"`) || dev.PeakGFLOPS() < 1 {
		t.Errorf("kept: %s, %v", kept, err)
	}
	if got := dev.ShareOfPeak(1e9); got != 0 {
		t.Errorf("a rate that no machine has is a share of %v", got)
	}
}

// cacheWithRuntimes is a fresh cache folder that shares only the downloaded libraries with the user's.
func cacheWithRuntimes(t *testing.T) string {
	t.Helper()
	user, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "clipkit"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(user, "clipkit", "runtimes"), filepath.Join(dir, "clipkit", "runtimes")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Without a folder to keep engines in the slow one is taken, and the line about it says what to set.
func TestNoCacheFolder(t *testing.T) {
	if engine := os.Getenv("DEVICE_TEST_ENGINE"); engine != "" { // a process that has opened nothing yet
		_, err := device.Open(engine)
		fmt.Println(err)
		return
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ home, cache string }{"no HOME": {"", ""}, "cannot be written": {file, ""}, "nor can this": {t.TempDir(), file}} {
		for _, engine := range []string{"cpu:xla", "cpu:onnx"} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestNoCacheFolder$")
			cmd.Env = append(os.Environ(), "DEVICE_TEST_ENGINE="+engine, "HOME="+c.home, "XDG_CACHE_HOME="+c.cache)
			for _, v := range []string{"PJRT_PLUGIN_LIBRARY_PATH", "ONNXRUNTIME_SHARED_LIBRARY_PATH", "CLIPKIT_ROOT", "GOMLX_NO_AUTO_INSTALL"} {
				cmd.Env = append(cmd.Env, v+"=")
			}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "set XDG_CACHE_HOME to one") || strings.Contains(string(out), "%") {
				t.Errorf("%s, %s: %v\n%s", name, engine, err, out)
			}
		}
	}
}

// The engine is found in a home folder such as /home/nvidia, too: go-xla takes it for a GPU's there.
func TestCacheWithCUDAInItsName(t *testing.T) {
	if os.Getenv("DEVICE_TEST_NAMED") != "" { // a process that has opened nothing yet
		for range 2 {
			d, err := device.Open("cpu:xla")
			if err != nil {
				t.Fatal(err)
			}
			d.Close()
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("by a path that Linux has")
	}
	named := filepath.Join(t.TempDir(), "nvidia-cuda")
	if err := os.Symlink(cacheWithRuntimes(t), named); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCacheWithCUDAInItsName$")
	cmd.Env = append(os.Environ(), "DEVICE_TEST_NAMED=1", "XDG_CACHE_HOME="+named, "PJRT_PLUGIN_LIBRARY_PATH=")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "asking GoMLX") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A package index that serves another file, or none, must end in one clear line, never in a loaded library.
// fault 11
func TestProvisioningFailures(t *testing.T) {
	t.Setenv("GOMLX_NO_AUTO_INSTALL", "1")
	for _, v := range []string{"PJRT_PLUGIN_LIBRARY_PATH", "CLIPKIT_ROOT"} {
		t.Setenv(v, "")
	}
	var wheel bytes.Buffer
	z := zip.NewWriter(&wheel)
	w, _ := z.Create("lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so")
	fmt.Fprint(w, "not the library")
	z.Close()
	fake := filepath.Join(t.TempDir(), "fake.whl")
	if err := os.WriteFile(fake, wheel.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ script, want string }{
		"wrong hash": {"#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --dest ] && cp " + fake + " \"$2/x.whl\"; shift; done\n", "SHA-256"},
		"no network": {"#!/bin/sh\necho 'ERROR: Could not find a version' >&2\nexit 1\n", "Could not find a version"},
		"no python":  {"", "python3 is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			bin := t.TempDir()
			if c.script != "" {
				if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(c.script), 0o755); err != nil {
					t.Fatal(err)
				}
				t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			} else {
				t.Setenv("PATH", bin)
			}
			_, err := device.Open("cpu:xla")
			if !errors.Is(err, device.ErrRuntime) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}
