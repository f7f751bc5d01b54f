package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bareMachine is the environment of a machine with nothing but Go: no C compiler, no cgo, no Python, an empty home. Go's caches are this machine's,
// for speed; that no module is needed is what TestImportsOnlyTheStandardLibrary is for.
func bareMachine(t *testing.T) []string {
	t.Helper()
	value := func(name string) string {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	bin := filepath.Join(value("GOROOT"), "bin")
	if _, err := exec.LookPath(filepath.Join(bin, "gcc")); err == nil {
		t.Fatalf("there is a gcc in %s, beside go", bin)
	}
	return []string{"PATH=" + bin, "HOME=" + t.TempDir(), "CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=-buildvcs=false",
		"GOCACHE=" + value("GOCACHE"), "GOMODCACHE=" + value("GOMODCACHE")}
}

func TestImportsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = bareMachine(t)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "clipnb/kernels" {
		t.Errorf("kernels must be compiled by Go alone, but it imports\n%s%v", out, err)
	}
}

func TestDoctorOnABareMachine(t *testing.T) {
	t.Parallel()
	bare, program := bareMachine(t), filepath.Join(t.TempDir(), "kernels")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = bare
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	doctor := exec.Command(program, "doctor")
	doctor.Env = bare
	out, _ := doctor.CombinedOutput()
	if status := doctor.ProcessState.ExitCode(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	contains(t, "doctor", string(out), "ok    go       go version", "LACKS gcc      no gcc on PATH; on Debian: apt-get install gcc libc6-dev", "the devices were not looked at",
		"LACKS python3 ", "ok    kernel   cpu: ", " cuda ", " npu ", "the cpu kernel cannot run yet")
	setup := exec.Command(program, "setup")
	setup.Env = bare
	fails(t, setup, 1, "no gcc on PATH; install it, on Debian: apt-get install gcc libc6-dev")
}
