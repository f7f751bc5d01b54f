package device

import "runtime"

// wheel is a shared library that comes inside a Python package: fetched by pip, never installed into an environment.
type wheel struct {
	pkg, version string
	sha256       string
	platform     string   // pip's platform tag; "" = any that pip picks
	library      string   // path inside the wheel
	megabytes    int      // size of the download, for the message
	beside       []string // files that the library loads: patterns of path.Match
}

const (
	cannVersion     = "1.24.4"
	openvinoVersion = "1.24.1"
)

// Engines' libraries as the package index has them: of XLA's plugins for processors the one whose products in bf16 are twice as fast as those in
// float32, and of ONNX Runtime's packages those that hold the real library, which Python's own binding does not need to be loaded with. The XLA
// plugin's file name matters: go-xla reads the plugin's name from it.
var (
	xlaWheels = map[string]wheel{
		"linux/amd64": {"lammps-jax-pjrt-cpu", "0.11.2", "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1",
			"manylinux_2_27_x86_64", "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", 63, nil},
	}
	onnxWheels = map[string]wheel{
		"linux/amd64": {"onnxruntime", "1.30.0", "fd54b314ea385bcecac69ab431f020ba503e3878dad4ebb645fec5a24b041242",
			"manylinux_2_28_x86_64", "onnxruntime/capi/libonnxruntime.so.1.30.0", 24, nil},
		"linux/arm64": {"onnxruntime", "1.30.0", "bac3aee7b40acd805659fd81a2acd6096312d5b0f014c97ddfe75fb4c1644627",
			"manylinux_2_28_aarch64", "onnxruntime/capi/libonnxruntime.so.1.30.0", 21, nil},
	}
	// ONNX Runtime built with CANN, for Ascend cards. The toolkit and the driver are the vendor's (kernels/npu/README.md).
	cannWheels = map[string]wheel{
		"linux/amd64": {"onnxruntime-cann", cannVersion, "6813780ee96892f5c1bd3e05390f821016eb73e599264bd69807a83010a7abbe",
			"manylinux_2_28_x86_64", "onnxruntime/capi/libonnxruntime.so.1.24.4", 22, []string{"onnxruntime/capi/libonnxruntime_providers_*.so"}},
		"linux/arm64": {"onnxruntime-cann", cannVersion, "acb52f29066fab2d073161b984fe48eadeaac6b2bbfd0735ab9dae579ec8b21a",
			"manylinux_2_28_aarch64", "onnxruntime/capi/libonnxruntime.so.1.24.4", 20, []string{"onnxruntime/capi/libonnxruntime_providers_*.so"}},
	}
	// ONNX Runtime built with OpenVINO, which is in the wheel (2025.4.1): for processors, and for Intel NPUs, whose driver is the vendor's.
	openvinoWheels = map[string]wheel{
		"linux/amd64": {"onnxruntime-openvino", openvinoVersion, "3007c803634cc69c6d52af1dea7ce729d9bb62b9a11070fd2f959119199007a8",
			"manylinux_2_28_x86_64", "onnxruntime/capi/libonnxruntime.so.1.24.1", 84, []string{"onnxruntime/capi/libonnxruntime_providers_*.so",
				"onnxruntime/capi/lib*.so.2541", "onnxruntime/capi/libopenvino_intel_[cn]pu_plugin.so", "onnxruntime/capi/libtbb*"}},
	}
)

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
