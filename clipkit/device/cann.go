package device

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"

	"clipnb/clipkit/device/ascend"
	"clipnb/clipkit/device/ort"

	"github.com/gomlx/compute"
)

// cannPrecision are the words of CANN's precision_mode. Ours come first; the others are passed on.
var cannPrecision = map[string]string{
	"f32":                    "must_keep_origin_dtype",
	"f16":                    "force_fp16",
	"mixed":                  "allow_mix_precision",
	"must_keep_origin_dtype": "must_keep_origin_dtype",
	"force_fp16":             "force_fp16",
	"force_fp32":             "force_fp32",
	"allow_fp32_to_fp16":     "allow_fp32_to_fp16",
	"allow_mix_precision":    "allow_mix_precision",
	"cube_fp16in_fp32out":    "cube_fp16in_fp32out",
}

// openCANN opens an Ascend card.
func (n npu) openCANN() (*Device, error) {
	if v, given := n.set["device"]; given && v != "NPU" {
		return nil, fmt.Errorf("%w: device %q; CANN has only NPUs", ErrOption, v)
	}
	mode, err := n.precisionWord(cannPrecision)
	if err != nil {
		return nil, err
	}
	cache, err := n.cacheFolder()
	if err != nil {
		return nil, err
	}
	// CANN reads these when it is loaded: where it keeps compiled operators, which is otherwise the working directory; and that what overflows
	// becomes Inf, without which no diverged loss would show.
	for name, value := range map[string]string{"ASCEND_CACHE_PATH": cache, "ASCEND_WORK_PATH": cache, "INF_NAN_MODE_ENABLE": "1"} {
		if os.Getenv(name) == "" {
			os.Setenv(name, value)
		}
	}
	found := ascend.Look(ascend.Here)
	if p, is := found.NotLoaded(); is {
		return nil, fmt.Errorf("%w: %s", ErrRuntime, p)
	}
	library, err := runtimeLibrary(cannWheels)
	if err != nil {
		return nil, err
	}
	var session [][2]string
	if n.set["fallback"] == "" { // a graph that is not taken whole is an error
		session = [][2]string{{"session.disable_cpu_ep_fallback", "1"}}
	}
	p := ort.Provider{
		Name:    "CANN",
		Session: session,
		Options: [][2]string{
			{"device_id", strconv.Itoa(n.index)},
			{"precision_mode", mode},
			{"enable_cann_graph", "1"},
			{"enable_cann_subgraph", "1"},                 // without it the provider claims also what the vendor's parser lacks
			{"arena_extend_strategy", "kSameAsRequested"}, // powers of two took 1.6 times the memory in a small model's training
			{"dump_om_model", "0"},                        // it would write into the working directory
		},
	}
	return n.start("cann", library, p, func(err error) error { return explainCANN(err, n.index, found) })
}

// Card is the index of an Ascend card that CANN drives, or -1 where the device is none.
func (d *Device) Card() int {
	if d.Engine != "cann" {
		return -1
	}
	return d.onnx.Provider.Index
}

// Address is where a tensor of an Ascend card lies in the card's memory, for what works on it there (exchange/hccl), until the tensor is finalized.
func Address(b compute.Buffer) (uintptr, error) {
	x, ok := b.(interface{ Address() (uintptr, error) })
	if !ok {
		return 0, fmt.Errorf("%w: the address of a %T, which is on no Ascend card", compute.ErrNotImplemented, b)
	}
	return x.Address()
}

// cannFaults are the usual ones, by what the message says.
var cannFaults = []struct {
	marks []string
	fault func(index int, found ascend.Installation) string
}{
	{[]string{"not enabled in this build"}, func(int, ascend.Installation) string {
		return "this ONNX Runtime is built without CANN; " + otherBuild("onnxruntime-cann "+cannVersion)
	}},
	{[]string{"aclrtSetDevice"}, func(index int, f ascend.Installation) string {
		return fmt.Sprintf("the driver refuses device %d; npu-smi info tells whether it is healthy and free (%s)", index, f)
	}},
	{[]string{"Invalid device ID"}, func(index int, f ascend.Installation) string {
		return fmt.Sprintf("there is no device %d; this machine has: %s", index, f)
	}},
	{[]string{"undefined symbol", "version `GLIBC"}, func(_ int, f ascend.Installation) string {
		return fmt.Sprintf("the installed CANN (%s) does not fit onnxruntime-cann %s; install another version of the toolkit, with its driver",
			cmp.Or(f.ToolkitVersion, "version unknown"), cannVersion)
	}},
	{[]string{"libascend_hal.so", "libdrvdsmi"}, func(int, ascend.Installation) string {
		return "the Ascend driver is missing or not in LD_LIBRARY_PATH; install Ascend HDK, in a container mount /usr/local/Ascend/driver"
	}},
	{[]string{"libascendcl.so", "libacl_op_compiler.so", "libfmk_onnx_parser.so", "libonnxruntime_providers_cann.so"}, func(_ int, f ascend.Installation) string {
		for _, p := range f.Problems() {
			if strings.Contains(p.What, "toolkit") {
				return p.String()
			}
		}
		return "the CANN toolkit's libraries are not in LD_LIBRARY_PATH; run: source " + f.SetEnv
	}},
}

// otherBuild is the fix where a build of ONNX Runtime lacks a provider.
func otherBuild(name string) string {
	return "unset ONNXRUNTIME_SHARED_LIBRARY_PATH, or have it name libonnxruntime.so of PyPI's " + name
}

// explainCANN puts the cause and its fix before what ONNX Runtime says.
func explainCANN(err error, index int, found ascend.Installation) error {
	for _, c := range cannFaults {
		for _, mark := range c.marks {
			if strings.Contains(err.Error(), mark) {
				return fmt.Errorf("%w: %s (%w)", ErrRuntime, c.fault(index, found), err)
			}
		}
	}
	return fmt.Errorf("%w: %w", ErrRuntime, err)
}
