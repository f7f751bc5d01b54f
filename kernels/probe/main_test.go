package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"clipnb/clipkit/device/ascend"
	"clipnb/clipkit/device/npusim"
)

func TestAscendLines(t *testing.T) {
	for name, c := range map[string]struct {
		found ascend.Installation
		want  []string
	}{
		"none":     {ascend.Installation{}, nil},
		"bare":     {ascend.Installation{Devices: []int{0}}, []string{"ok    npu      Ascend: devices 0, driver none", "LACKS npu      /dev/davinci_manager is missing", "LACKS npu      the Ascend driver", "LACKS npu      the CANN toolkit is not installed"}},
		"unloaded": {ascend.Installation{Devices: []int{0}, Manager: true, Driver: "/d", Toolkit: "/t", SetEnv: "/nowhere/set_env.sh"}, []string{"LACKS npu      the CANN toolkit's environment is not loaded", "source /nowhere/set_env.sh"}},
	} {
		said := ascendLines(c.found)
		if c.want == nil && said != "" {
			t.Errorf("%s: %s", name, said)
		}
		for _, want := range c.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: no %q in %s", name, want, said)
			}
		}
	}
}

// probe tells how many nodes each provider got; here the real CANN provider over a SIMULATED Ascend runtime.
func TestProbeCountsNodesByProvider(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("onnxruntime-cann is for Linux")
	}
	sim := npusim.Build(t, t.TempDir())
	program := filepath.Join(t.TempDir(), "probe")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "npu:cann")
	cmd.Env = append(os.Environ(), sim.Env()...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in one piece on the device") || !strings.Contains(string(out), "CANNExecutionProvider") || strings.Contains(string(out), "CPUExecutionProvider") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("simulated: %s", out)

	out, err = exec.Command(program, "npu:cann:7").CombinedOutput() // without the runtime
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "install the CANN toolkit") {
		t.Errorf("%v\n%s", err, out)
	}
}
