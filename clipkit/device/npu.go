package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clipnb/clipkit/device/ascend"
	"clipnb/clipkit/device/lower"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/internal/pip"
)

// ErrOption is wrapped for an option of a device that is unknown or has an impossible value.
var ErrOption = errors.New("wrong device option")

// npu is what a device string asks for: npu[:PROVIDER][:INDEX][,OPTION=VALUE…].
type npu struct {
	provider string // "cann", "openvino", the path of a plugin, or "" = what is here
	index    int
	set      map[string]string // each of npuOptions that was given
}

const npuVariable = "CLIPKIT_NPU_"

// npuOptions are what may follow a comma. Each is also an environment variable, CLIPKIT_NPU_PRECISION, that the device string overrides.
var npuOptions = []string{
	"precision", // f32, f16, bf16, mixed, or one of CANN's own words
	"cache",     // a folder for what the provider compiles
	"log",       // debug, info, warning, error or none, to standard error
	"device",    // of OpenVINO or a plugin: NPU, CPU or GPU
	"fallback",  // cpu: use the processor where no NPU works
}

// logLevels are ONNX Runtime's.
var logLevels = map[string]int{"debug": 0, "info": 1, "warning": 2, "error": 3, "none": 5}

// hardware are a plugin's kinds of devices.
var hardware = map[string]int{"NPU": ort.NPU, "CPU": ort.CPU, "GPU": ort.GPU}

// parseNPU reads what comes after "npu:" and the environment, "NAME=value".
func parseNPU(rest string, environ []string) (n npu, err error) {
	parts := strings.Split(rest, ",")
	n.set = map[string]string{}
	for _, e := range environ {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, npuVariable) && value != "" {
			option := strings.ToLower(strings.TrimPrefix(name, npuVariable))
			if !slices.Contains(npuOptions, option) {
				return n, fmt.Errorf("%w: the environment variable %s; %s may end in %s", ErrOption, name, npuVariable, strings.ToUpper(strings.Join(npuOptions, ", ")))
			}
			n.set[option] = value
		}
	}
	for _, p := range parts[1:] {
		option, value, _ := strings.Cut(p, "=")
		if !slices.Contains(npuOptions, option) || value == "" {
			return n, fmt.Errorf("%w %q, want one of %s, each with =VALUE", ErrOption, p, strings.Join(npuOptions, ", "))
		}
		n.set[option] = value
	}
	n.provider = parts[0]
	if at := strings.LastIndex(parts[0], ":"); at >= 0 || isDigits(parts[0]) {
		n.provider = parts[0][:max(at, 0)]
		if n.index, err = strconv.Atoi(parts[0][at+1:]); err != nil || n.index < 0 || n.index > 1023 {
			return n, fmt.Errorf("%w: index %q, want 0 for the first card, 1 for the second …", ErrOption, parts[0][at+1:])
		}
	}
	if n.provider != "" && n.provider != "cann" && n.provider != "openvino" && !strings.Contains(n.provider, ".so") {
		return n, fmt.Errorf("%w: NPU provider %q, want cann, openvino or the path of a plugin (….so)", ErrUnknown, n.provider)
	}
	if v, ok := n.set["log"]; ok {
		if _, known := logLevels[v]; !known {
			return n, fmt.Errorf("%w: log %q, want debug, info, warning, error or none", ErrOption, v)
		}
	}
	if v, ok := n.set["device"]; ok {
		if _, known := hardware[v]; !known {
			return n, fmt.Errorf("%w: device %q, want NPU, CPU or GPU", ErrOption, v)
		}
	}
	if v, ok := n.set["fallback"]; ok && v != "cpu" {
		return n, fmt.Errorf("%w: fallback %q, want cpu", ErrOption, v)
	}
	return n, nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// or is an option's value.
func (n npu) or(option, otherwise string) string {
	if v, ok := n.set[option]; ok {
		return v
	}
	return otherwise
}

// openNPU opens an NPU, or the processor where that is asked for.
func openNPU(rest string) (*Device, error) {
	n, err := parseNPU(rest, os.Environ())
	if err != nil {
		return nil, err
	}
	dev, err := n.open()
	if err == nil || n.set["fallback"] == "" {
		return dev, err
	}
	say(fmt.Sprintf("using the processor, as fallback=cpu asks: %v", err))
	return openCPU("")
}

func (n npu) open() (*Device, error) {
	if n.provider == "" {
		var err error
		if n.provider, err = chooseProvider(ascend.Look(ascend.Here), intelNPUs()); err != nil {
			return nil, err
		}
	}
	switch n.provider {
	case "cann":
		return n.openCANN()
	case "openvino":
		return n.openOpenVINO()
	}
	return n.openPlugin()
}

// chooseProvider takes the one whose hardware is here.
func chooseProvider(a ascend.Installation, intel []string) (string, error) {
	switch {
	case len(a.Devices) > 0:
		return "cann", nil
	case len(intel) > 0:
		return "openvino", nil
	}
	return "", fmt.Errorf("%w: no NPU is here (no /dev/davinci0 of an Ascend card, no /dev/accel/accel0 of an Intel one); in a container, pass it in; "+
		"CLIPKIT_NPU_FALLBACK=cpu uses the processor", ErrRuntime)
}

func intelNPUs() []string {
	found, _ := filepath.Glob("/dev/accel/accel[0-9]*") // the pattern is well-formed
	return found
}

// start loads a runtime and opens the provider in it; explain knows what its errors mean.
func (n npu) start(engine string, library string, p ort.Provider, explain func(error) error) (*Device, error) {
	level := logLevels[n.or("log", "error")]
	p.Log, p.Index, p.Rewrite = min(level, 4), n.index, lower.Rewrite
	if err := ort.Load(library, p.Log); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRuntime, err)
	}
	ort.Show(5)
	if _, asked := n.set["log"]; asked {
		ort.Show(level)
	}
	b, err := ort.Open(p)
	if err != nil {
		return nil, explain(err)
	}
	name := "npu"
	if n.index > 0 {
		name += ":" + strconv.Itoa(n.index)
	}
	return &Device{Name: name, Engine: engine, Backend: lower.Wrap(b), onnx: b}, nil
}

// runtimeLibrary is ONNX Runtime's library: from the environment, of this process, or of a wheel.
func runtimeLibrary(wheels map[string]wheel) (string, error) {
	if lib := os.Getenv("ONNXRUNTIME_SHARED_LIBRARY_PATH"); lib != "" {
		return lib, nil
	}
	w, known := wheels[platform()]
	if !known {
		return "", fmt.Errorf("%w: this ONNX Runtime is not packaged for %s; set ONNXRUNTIME_SHARED_LIBRARY_PATH", ErrRuntime, platform())
	}
	return w.fetch(say)
}

// cacheFolder makes the folder of the cache option, by default one of the user's: compilers write beside the program otherwise.
func (n npu) cacheFolder() (string, error) {
	dir := n.or("cache", "")
	if dir == "" {
		root, err := pip.CacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, "npu")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o777)
	}
	if err != nil {
		return "", fmt.Errorf("%w: cache: %w", ErrOption, err)
	}
	return dir, nil
}

// openPlugin opens a device of a provider library of the kind that registers itself (ONNX Runtime 1.23 and later).
func (n npu) openPlugin() (*Device, error) {
	if _, given := n.set["precision"]; given {
		return nil, fmt.Errorf("%w: precision is not known for a plugin", ErrOption)
	}
	plugin, err := filepath.Abs(n.provider)
	if err == nil {
		_, err = os.Stat(plugin)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the plugin: %w", ErrRuntime, err)
	}
	library, err := runtimeLibrary(onnxWheels)
	if err != nil {
		return nil, err
	}
	p := ort.Provider{Name: "plugin", Library: plugin, Kind: hardware[n.or("device", "NPU")]}
	return n.start("plugin", library, p, func(err error) error {
		return fmt.Errorf("%w: %w; the plugin must fit ONNX Runtime %s", ErrRuntime, err, library)
	})
}

// precisionWord translates the precision option.
func (n npu) precisionWord(words map[string]string) (string, error) {
	asked := n.or("precision", "f32")
	if w, ok := words[asked]; ok {
		return w, nil
	}
	known := make([]string, 0, len(words))
	for w := range words {
		known = append(known, w)
	}
	slices.Sort(known)
	return "", fmt.Errorf("%w: precision %q, want one of %s", ErrOption, asked, strings.Join(known, ", "))
}
