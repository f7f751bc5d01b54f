package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The environment script finds CANN, loads its script, and sets what the ModelZoo's sets; what the user has set stays.
func TestNPUEnvironment(t *testing.T) {
	t.Parallel()
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

func TestDoctorOfDeviceFiles(t *testing.T) {
	t.Parallel()
	nvidia := map[string][]string{"/dev/nvidia[0-9]*": {"/dev/nvidia0"}}
	for name, c := range map[string]struct {
		files     map[string][]string
		asked     string
		cuda, npu bool
		want      []string
	}{
		"none":           {nil, "", false, false, []string{"none no NVIDIA GPU is here", "none no Ascend card is here"}},
		"none but asked": {nil, "npu:0", false, false, []string{"none no NVIDIA GPU is here", "LACKS no Ascend card is here"}},
		"none, cuda":     {nil, "cuda", false, false, []string{"LACKS no NVIDIA GPU is here (/dev/nvidia[0-9]*); CLIPKIT_DEVICE=cuda asks for one", "none no Ascend card is here"}},
		"Intel":          {map[string][]string{"/dev/accel/accel[0-9]*": {"/dev/accel/accel0"}}, "", false, true, []string{"none no NVIDIA GPU is here", "ok Intel: /dev/accel/accel0"}},
		"Ascend": {map[string][]string{"/dev/davinci[0-9]*": {"/dev/davinci0", "/dev/davinci1"}}, "", false, true,
			[]string{"ok Ascend: /dev/davinci0 /dev/davinci1"}},
		"NVIDIA": {nvidia, "cpu", true, false, []string{"ok NVIDIA: /dev/nvidia0", "none no Ascend card is here"}},
	} {
		var said []string
		put := func(mark string) func(string, string) {
			return func(name, text string) { said = append(said, mark+" "+text) }
		}
		cuda, npu := deviceFiles(func(pattern string) ([]string, error) { return c.files[pattern], nil }, c.asked, put("ok"), put("none"), put("LACKS"))
		if cuda != c.cuda || npu != c.npu {
			t.Errorf("%s: cuda %v, npu %v", name, cuda, npu)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(said, "\n"), want) {
				t.Errorf("%s: no %q in %q", name, want, said)
			}
		}
	}
}
