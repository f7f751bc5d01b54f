package device

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"clipnb/clipkit/device/ascend"
)

// How the processes of one run share the devices of a host: rank 0 takes the first of a kind, rank 1 the second. The processor is for all.

// OfRank is the device of the rank with this number among those of its host: "npu" becomes "npu:3", "npu,precision=f16" "npu:3,precision=f16",
// "cuda" "cuda:3", and "cpu" stays. Where the launcher shows each rank a single card, that is the first. A name that says which card is an error.
func OfRank(name string, local int) (string, error) {
	kind, rest := kindOf(name)
	options := ""
	if kind == "npu" {
		if at := strings.Index(rest, ","); at >= 0 {
			rest, options = rest[:at], rest[at:]
		}
	}
	switch {
	case kind != "cuda" && kind != "npu" || kind == "npu" && !cards(options):
		return name, nil
	case kind == "cuda" && rest != "" || isDigits(rest[strings.LastIndex(rest, ":")+1:]):
		return "", fmt.Errorf("%w %q: each rank takes a %s of its own, want the name without a number", ErrUnknown, name, kind)
	}
	if Available(name) == 1 && os.Getenv(visible[kind]) != "" {
		local = 0
	}
	if rest != "" {
		rest += ":"
	}
	return kind + ":" + rest + strconv.Itoa(local) + options, nil
}

// visible are the variables by which a launcher or a person shows a process some of the devices.
var visible = map[string]string{"cuda": "CUDA_VISIBLE_DEVICES", "npu": "ASCEND_RT_VISIBLE_DEVICES"}

// cards tells whether an NPU's options leave it a card: device=CPU and GPU of OpenVINO are shared.
func cards(options string) bool {
	return !strings.Contains(options, "device=CPU") && !strings.Contains(options, "device=GPU")
}

// Available counts the devices of the name's kind that this process sees; 0 where nothing counts them, such as the processor, or where there are none.
func Available(name string) int {
	kind, rest := kindOf(name)
	rest, options, _ := strings.Cut(rest, ",")
	found, shown := 0, os.Getenv(visible[kind])
	switch {
	case kind == "cuda":
		found = len(gpuNames("/proc/driver/nvidia/gpus"))
	case kind == "npu" && cards(options) && !strings.Contains(rest, ".so"):
		found = len(ascend.Look(ascend.Here).Devices)
		if rest == "openvino" || rest == "" && found == 0 && shown == "" {
			found, shown = len(intelNPUs()), ""
		}
	default:
		return 0
	}
	if shown != "" {
		return len(strings.Split(shown, ","))
	}
	return found
}
