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

// The environment script finds CANN, loads its script, and sets what the seed's sets; what the user has set stays.
func TestNPUEnvironment(t *testing.T) {
	cann := t.TempDir()
	for name, text := range map[string]string{
		"ascend-toolkit/set_env.sh": "export ASCEND_OPP_PATH=" + cann + "/ascend-toolkit/latest/opp\n",
		"nnae/set_env.sh":           "export ASCEND_OPP_PATH=wrong\n",
		"driver/lib64/x":            "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(cann, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cann, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := func(env ...string) string {
		cmd := exec.Command("bash", "-euc", ". npu/env.sh; env")
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return "\n" + string(out)
	}
	has := func(out string, lines ...string) {
		t.Helper()
		for _, l := range lines {
			if !strings.Contains(out, "\n"+l+"\n") {
				t.Errorf("no %s in%s", l, out)
			}
		}
	}
	quiet := []string{"ASCEND_SLOG_PRINT_TO_STDOUT=0", "ASCEND_GLOBAL_LOG_LEVEL=3", "ASCEND_GLOBAL_EVENT_ENABLE=0", "INF_NAN_MODE_ENABLE=1", "ASCEND_ENHANCE_ENABLE=1"}
	out := source("ASCEND_INSTALL_PATH=" + cann)
	has(out, append(quiet, "ASCEND_OPP_PATH="+cann+"/ascend-toolkit/latest/opp")...)
	if !strings.Contains(out, "\nLD_LIBRARY_PATH="+cann+"/driver/lib64:") {
		t.Errorf("the driver's libraries are not found:%s", out)
	}
	has(source("ASCEND_INSTALL_PATH="+cann, "ASCEND_OPP_PATH=/mine", "ASCEND_GLOBAL_LOG_LEVEL=0", "LD_LIBRARY_PATH=/lib1"), "ASCEND_OPP_PATH=/mine", "ASCEND_GLOBAL_LOG_LEVEL=0",
		"LD_LIBRARY_PATH=/lib1:"+cann+"/driver/lib64:"+cann+"/driver/lib64/common:"+cann+"/driver/lib64/driver")
	none := source("ASCEND_INSTALL_PATH=" + filepath.Join(cann, "nothing"))
	has(none, quiet...)
	if strings.Contains(none, "ASCEND_OPP_PATH") || strings.Contains(none, "clipkit_") {
		t.Errorf("too much without CANN:%s", none)
	}
	if strings.Contains(source("ASCEND_INSTALL_PATH="+cann, "etp_running_flag=true"), "ASCEND_OPP_PATH") {
		t.Error("loaded although etp_running_flag says that it is done")
	}
}

func TestDoctorOfNPUs(t *testing.T) {
	for name, c := range map[string]struct {
		found ascend.Found
		intel string
		here  bool
		want  []string
	}{
		"none":     {ascend.Found{}, "", false, []string{"LACKS no Ascend card is here"}},
		"Intel":    {ascend.Found{}, "/dev/accel/accel0", true, []string{"ok Intel: /dev/accel/accel0"}},
		"bare":     {ascend.Found{Devices: []int{0}}, "", true, []string{"ok Ascend: devices 0, driver none", "LACKS /dev/davinci_manager is missing", "LACKS the Ascend driver", "LACKS the CANN toolkit is not installed"}},
		"unloaded": {ascend.Found{Devices: []int{0}, Manager: true, Driver: "/d", Toolkit: "/t", SetEnv: "/nowhere/set_env.sh"}, "", true, []string{"LACKS the CANN toolkit's environment is not loaded", "source /nowhere/set_env.sh"}},
	} {
		var said []string
		put := func(mark string) func(string, string) {
			return func(name, text string) { said = append(said, mark+" "+text) }
		}
		if here := npuLines(c.found, c.intel, put("ok"), put("LACKS")); here != c.here {
			t.Errorf("%s: %v", name, here)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(said, "\n"), want) {
				t.Errorf("%s: no %q in %q", name, want, said)
			}
		}
	}
}

// probe tells how many nodes each provider got; here the real CANN provider over a SIMULATED Ascend runtime.
func TestProbeCountsNodesByProvider(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("onnxruntime-cann is for Linux")
	}
	sim := npusim.Build(t)
	program := filepath.Join(t.TempDir(), "probe")
	if out, err := exec.Command("go", "build", "-o", program, "./probe").CombinedOutput(); err != nil {
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
