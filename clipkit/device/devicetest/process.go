package devicetest

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const childEnv = "CLIPKIT_TEST_CHILD"

// IsChild tells whether this process runs a test for another one.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// InOwnProcess runs the calling test again in a process of its own, with env added, and tells whether this is that process: a process has one
// ONNX Runtime, and LD_LIBRARY_PATH is read when it starts.
func InOwnProcess(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return true
	}
	var stdout, stderr strings.Builder
	cmd := Child(t.Name(), env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	for line := range strings.Lines(stderr.String()) { // ONNX Runtime and providers are to speak through errors
		if !strings.HasPrefix(line, "clipkit: ") {
			t.Errorf("standard error: %s", line)
		}
	}
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, stdout.String())
	case strings.Contains(stdout.String(), "--- SKIP"):
		t.Skip(stdout.String())
	case testing.Verbose():
		t.Log(stdout.String())
	}
	return false
}

// Child is the command that runs a test of this program in a process of its own, with env added.
func Child(test string, env ...string) *exec.Cmd {
	pattern := "^" + strings.ReplaceAll(test, "/", "$/^") + "$"
	cmd := exec.Command(os.Args[0], "-test.run="+pattern, "-test.v", "-test.timeout=10m")
	cmd.Env = append(append(os.Environ(), env...), childEnv+"="+test)
	return cmd
}

// NeedWheel skips where the package index has no such wheel.
func NeedWheel(t *testing.T, name string, platforms ...string) {
	t.Helper()
	if here := runtime.GOOS + "/" + runtime.GOARCH; !slices.Contains(platforms, here) {
		t.Skipf("%s is not packaged for %s", name, here)
	}
}

// NeedOpenVINO skips where OpenVINO's wheel does not run.
func NeedOpenVINO(t *testing.T) { NeedWheel(t, "onnxruntime-openvino", "linux/amd64") }
