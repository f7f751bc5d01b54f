package device

import (
	"errors"
	"maps"
	"os"
	"strings"
	"testing"

	"clipnb/clipkit/device/ascend"
)

func TestParseNPU(t *testing.T) {
	for rest, want := range map[string]npu{
		"":                              {},
		"1":                             {index: 1},
		"cann":                          {provider: "cann"},
		"cann:3":                        {provider: "cann", index: 3},
		"/a/b.so":                       {provider: "/a/b.so"},
		"lib/b.so:2":                    {provider: "lib/b.so", index: 2},
		"openvino,device=CPU":           {provider: "openvino", set: map[string]string{"device": "CPU"}},
		",precision=f16,log=debug":      {set: map[string]string{"precision": "f16", "log": "debug"}},
		"1,cache=/tmp/x y,fallback=cpu": {index: 1, set: map[string]string{"cache": "/tmp/x y", "fallback": "cpu"}},
	} {
		got, err := parseNPU(rest, nil)
		if err != nil || got.provider != want.provider || got.index != want.index || !maps.Equal(got.set, want.set) {
			t.Errorf("%q: %+v, %v", rest, got, err)
		}
	}
	got, err := parseNPU("cann,log=none", []string{"HOME=/", "CLIPKIT_NPU_LOG=info", "CLIPKIT_NPU_PRECISION=mixed", "CLIPKIT_NPU_CACHE="})
	if err != nil || got.set["log"] != "none" || got.set["precision"] != "mixed" {
		t.Errorf("%+v, %v: the device string goes before the environment", got, err)
	}
	for rest, want := range map[string]error{
		"cuda": ErrUnknown, "cann:x": ErrOption, "cann:-1": ErrOption, "cann:": ErrOption, "1024": ErrOption, "99999999999999999999": ErrOption, "plugin.dll": ErrUnknown,
		"cann,prec=f16": ErrOption, "cann,log": ErrOption, "cann,log=": ErrOption, "cann,log=loud": ErrOption,
		"cann,device=TPU": ErrOption, "cann,fallback=gpu": ErrOption,
	} {
		if got, err := parseNPU(rest, nil); !errors.Is(err, want) {
			t.Errorf("%q: %+v, %v", rest, got, err)
		}
	}
	for _, e := range []string{"CLIPKIT_NPU_LOG=loud", "CLIPKIT_NPU_PRECISON=f16"} {
		if _, err := parseNPU("cann", []string{e}); !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestChooseProvider(t *testing.T) {
	if got, err := chooseProvider(ascend.Installation{Devices: []int{0}}, []string{"/dev/accel/accel0"}); got != "cann" || err != nil {
		t.Error(got, err)
	}
	if got, err := chooseProvider(ascend.Installation{}, []string{"/dev/accel/accel0"}); got != "openvino" || err != nil {
		t.Error(got, err)
	}
	if _, err := chooseProvider(ascend.Installation{}, nil); !errors.Is(err, ErrRuntime) || !strings.Contains(err.Error(), "CLIPKIT_NPU_FALLBACK=cpu") {
		t.Error(err)
	}
}

// What the vendor's libraries say, as ONNX Runtime hands it on, and what a user is told to do.
// fault 11
func TestExplainCANN(t *testing.T) {
	bare := ascend.Installation{Devices: []int{0, 1}}
	installed := ascend.Installation{Devices: []int{0}, Driver: "/d", Toolkit: "/opt/cann/latest", ToolkitVersion: "7.0.0", SetEnv: "/opt/cann/set_env.sh"}
	for _, c := range []struct {
		said  string
		found ascend.Installation
		want  string
	}{
		{"CANN execution provider is not enabled in this build.", bare, "unset ONNXRUNTIME_SHARED_LIBRARY_PATH"},
		{"Failed to load library libonnxruntime_providers_cann.so with error: libascendcl.so: cannot open shared object file", bare, "install the CANN toolkit"},
		{"Failed to load library libonnxruntime_providers_cann.so with error: libascendcl.so: cannot open shared object file", installed, "source /opt/cann/set_env.sh"},
		{"libonnxruntime_providers_cann.so with error: libascend_hal.so: cannot open shared object file", installed, "install Ascend HDK"},
		{"libonnxruntime_providers_cann.so with error: undefined symbol: aclmdlExecuteV9", installed, "CANN (7.0.0) does not fit"},
		{"Invalid device ID: 5, must be between 0 (inclusive) and 2 (exclusive).", bare, "there is no device 5"},
		{"CANN failure 507033 ; expr=aclrtSetDevice(info_.device_id); ", bare, "the driver refuses device 5"},
		{"something new", bare, "something new"},
	} {
		err := explainCANN(errors.New(c.said), 5, c.found)
		if !errors.Is(err, ErrRuntime) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.said, err)
		}
	}
}

// kernels/npu/requirements.txt says the same as runtimes.go.
func TestRequirementsArePinnedAlike(t *testing.T) {
	text, err := os.ReadFile("../../kernels/npu/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := strings.ReplaceAll(string(text), "\\\n", "")
	hashes := 0
	for _, wheels := range []map[string]wheel{cannWheels, openvinoWheels} {
		for platform, w := range wheels {
			found := false
			for _, line := range strings.Split(list, "\n") {
				found = found || strings.HasPrefix(line, w.pkg+"=="+w.version) && strings.Contains(line, "--hash=sha256:"+w.sha256)
			}
			if !found {
				t.Errorf("no %s==%s with the hash for %s", w.pkg, w.version, platform)
			}
			hashes++
		}
	}
	if n := strings.Count(list, "--hash="); n != hashes {
		t.Errorf("%d hashes, runtimes.go has %d", n, hashes)
	}
}
