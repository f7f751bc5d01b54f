package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/npusim"
	"clipnb/clipkit/device/ort"
)

// Each thing that can be missing gives one clear error, and nothing on standard error.
// fault 11
func TestMissingPieces(t *testing.T) {
	devicetest.NeedOpenVINO(t)
	needNoNPU(t)
	const plainEnv = "CLIPKIT_TEST_PLAIN" // ONNX Runtime without any such provider
	plain := os.Getenv(plainEnv)
	if plain == "" {
		devicetest.Open(t, "cpu:onnx")
		plain = ort.Loaded()
	}
	for _, c := range []struct {
		name, device string
		env          []string
		simulate     bool
		want         []string
	}{
		{name: "no card", device: "npu", want: []string{"no NPU is here", "CLIPKIT_NPU_FALLBACK=cpu"}},
		{name: "no toolkit", device: "npu:cann", want: []string{"libascendcl.so", "install the CANN toolkit"}},
		{name: "wrong build", device: "npu:cann", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=" + plain}, want: []string{"built without CANN", "onnxruntime-cann 1.24.4"}},
		{name: "wrong build for OpenVINO", device: "npu:openvino", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=" + plain}, want: []string{"built without OpenVINO"}},
		{name: "no library", device: "npu:cann", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=/nowhere/libonnxruntime.so"}, want: []string{"/nowhere/libonnxruntime.so"}},
		{name: "not a library", device: "npu:cann", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=device_test.go"}, want: []string{"cannot be loaded", "invalid ELF header"}},
		{name: "no such device", device: "npu:cann:5", simulate: true, want: []string{"there is no device 5", "between 0 (inclusive) and 2"}},
		{name: "no Intel NPU", device: "npu:openvino", want: []string{"no Intel NPU is here", "/dev/accel/accel0"}},
		{name: "no second Intel NPU", device: "npu:openvino:1", want: []string{"has one NPU"}},
		{name: "wrong precision", device: "npu:cann,precision=f8", want: []string{"precision \"f8\"", "f16, f32"}},
		{name: "wrong cache", device: "npu:cann,cache=device_test.go", want: []string{"cache: mkdir", "not a directory"}},
		{name: "no plugin", device: "npu:/nowhere/plugin.so", want: []string{"/nowhere/plugin.so"}},
		{name: "not a plugin", device: "npu:" + plain, want: []string{"CreateEpFactories"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			env := append(c.env, plainEnv+"="+plain)
			if c.simulate && !devicetest.IsChild() {
				devicetest.NeedWheel(t, "onnxruntime-cann", "linux/amd64", "linux/arm64")
				env = append(env, npusim.Build(t, t.TempDir()).Env()...)
			}
			if !devicetest.InOwnProcess(t, env...) {
				return
			}
			_, err := device.Open(c.device)
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			t.Log(err)
			if !errors.Is(err, device.ErrRuntime) && !errors.Is(err, device.ErrOption) {
				t.Errorf("the error is of no kind: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
}

// needNoNPU skips where something is not missing.
func needNoNPU(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"/dev/davinci[0-9]*", "/dev/accel/accel[0-9]*", "/usr/local/Ascend/ascend-toolkit"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			t.Skipf("%s is here", found[0])
		}
	}
}

// The processor is used in an NPU's place only by those who ask for it, and they are told.
// fault 11
func TestFallback(t *testing.T) {
	needNoNPU(t)
	var said strings.Builder
	device.Notices = &said
	defer func() { device.Notices = os.Stderr }()
	dev, err := device.Open("npu,fallback=cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if dev.Name != "cpu" || !strings.Contains(said.String(), "no NPU is here") {
		t.Errorf("%s: %q", dev, said.String())
	}
	t.Setenv("CLIPKIT_NPU_FALLBACK", "cpu")
	if dev, err = device.Open("npu:0"); err != nil {
		t.Fatal(err)
	}
	dev.Close()
}
