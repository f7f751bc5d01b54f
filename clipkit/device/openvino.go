package device

import (
	"fmt"
	"strings"

	"clipnb/clipkit/device/ort"
)

// openvinoPrecision are the words of INFERENCE_PRECISION_HINT.
var openvinoPrecision = map[string]string{"f32": "f32", "f16": "f16", "bf16": "bf16"}

// openOpenVINO opens an Intel NPU, or with device= another device of OpenVINO.
func (n npu) openOpenVINO() (*Device, error) {
	kind := n.or("device", "NPU")
	if n.index != 0 && kind != "GPU" {
		return nil, fmt.Errorf("%w: there is no device %d: OpenVINO has one %s", ErrOption, n.index, kind)
	}
	precision, err := n.precisionWord(openvinoPrecision)
	if err != nil {
		return nil, err
	}
	options := openvinoOptions(kind, n.index, precision)
	if kind != "CPU" {
		cache, err := n.cacheFolder()
		if err != nil {
			return nil, err
		}
		options = append(options, [2]string{"cache_dir", cache})
	}
	library, err := runtimeLibrary(openvinoWheels)
	if err != nil {
		return nil, err
	}
	return n.start("openvino", library, ort.Provider{Name: "OpenVINO", Options: options}, func(err error) error { return explainOpenVINO(err, kind) })
}

func openvinoOptions(kind string, index int, precision string) [][2]string {
	device := kind
	if index > 0 {
		device = fmt.Sprintf("%s.%d", kind, index)
	}
	return [][2]string{
		{"device_type", device},
		{"load_config", fmt.Sprintf(`{"%s":{"INFERENCE_PRECISION_HINT":"%s"}}`, kind, precision)},
	}
}

// openCPUOpenVINO is "cpu:openvino". As on every processor, steps update the weights in place.
func openCPUOpenVINO() (*Device, error) {
	library, err := runtimeLibrary(openvinoWheels)
	if err != nil {
		return nil, err
	}
	p := ort.Provider{Name: "OpenVINO", Options: openvinoOptions("CPU", 0, "f32"), Shared: true}
	dev, err := npu{}.start("openvino", library, p, func(err error) error { return explainOpenVINO(err, "CPU") })
	if err != nil {
		return nil, err
	}
	dev.Name = "cpu"
	return dev, nil
}

func explainOpenVINO(err error, kind string) error {
	switch said := err.Error(); {
	case strings.Contains(said, "OpenVINO") && strings.Contains(said, "not supported"):
		return fmt.Errorf("%w: this ONNX Runtime is built without OpenVINO; %s (%w)", ErrRuntime, otherBuild("onnxruntime-openvino "+openvinoVersion), err)
	case kind == "NPU" && len(intelNPUs()) == 0:
		return fmt.Errorf("%w: no Intel NPU is here (/dev/accel/accel0); install Intel's linux-npu-driver, in a container pass the device in: "+
			"--device /dev/accel/accel0 (%w)", ErrRuntime, err)
	case kind == "NPU":
		return fmt.Errorf("%w: OpenVINO cannot use %s; install Intel's linux-npu-driver (level-zero and firmware) and join the group render (%w)",
			ErrRuntime, strings.Join(intelNPUs(), " "), err)
	}
	return fmt.Errorf("%w: OpenVINO's %s device: %w", ErrRuntime, kind, err)
}
