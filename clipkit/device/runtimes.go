package device

import "runtime"

// wheel is a shared library that comes inside a Python package: fetched by pip, never installed into an environment.
type wheel struct {
	pkg, version string
	sha256       string
	platform     string // pip's platform tag; "" = any that pip picks
	library      string // path inside the wheel
	megabytes    int    // size of the download, for the message
}

// Both were chosen and measured in FINDINGS.md §3. The XLA plugin's file name matters: go-xla reads the plugin's name from it.
var (
	xlaWheels = map[string]wheel{
		"linux/amd64": {"lammps-jax-pjrt-cpu", "0.11.2", "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1",
			"manylinux_2_27_x86_64", "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", 63},
	}
	onnxWheels = map[string]wheel{
		"linux/amd64": {"onnxruntime", "1.30.0", "fd54b314ea385bcecac69ab431f020ba503e3878dad4ebb645fec5a24b041242",
			"manylinux_2_28_x86_64", "onnxruntime/capi/libonnxruntime.so.1.30.0", 24},
		"linux/arm64": {"onnxruntime", "1.30.0", "bac3aee7b40acd805659fd81a2acd6096312d5b0f014c97ddfe75fb4c1644627",
			"manylinux_2_28_aarch64", "onnxruntime/capi/libonnxruntime.so.1.30.0", 21},
	}
)

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
