package device

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/internal/pip"

	"github.com/gomlx/compute"
	onnx "github.com/gomlx/compute-onnx"
	"github.com/gomlx/go-xla/compute/xla"
	_ "github.com/gomlx/go-xla/compute/xla/autoinstall" // GoMLX's own installer, the last place to look
)

// Device is an open engine. It is safe for concurrent use; close it when the models on it are done.
type Device struct {
	Name    string // "cpu", "cuda", "cuda:1", "cuda:0-7"
	Asked   string // what Open takes to open it once more
	Engine  string // "xla", "onnx" or "go"
	Backend compute.Backend
	Many    *Many // nil = one device

	onnx     *ort.Backend // where the engine is ONNX Runtime with a provider
	hardware string       // the GPU's name; "" = the processor

	peak struct {
		sync.Mutex
		known  bool
		gflops float64
		again  int // measurements by ShareOfPeak
	}

	compiling compiling
}

// Placements tells for each graph compiled now how many of its nodes each provider of ONNX Runtime took. Other engines have none.
func (d *Device) Placements() []ort.Placement {
	if d.onnx == nil {
		return nil
	}
	return d.onnx.Placements()
}

// String gives name and engine, "cpu (xla)".
func (d *Device) String() string { return d.Name + " (" + d.Engine + ")" }

// IsCPU, IsNPU and IsCUDA tell what kind of device it is.
func (d *Device) IsCPU() bool  { return strings.HasPrefix(d.Name, "cpu") }
func (d *Device) IsNPU() bool  { return strings.HasPrefix(d.Name, "npu") }
func (d *Device) IsCUDA() bool { return strings.HasPrefix(d.Name, "cuda") }

// Close frees the engine, after a compiler that was left to itself has ended.
func (d *Device) Close() {
	if d.compiling.busy.Load() == 0 {
		d.Backend.Finalize()
		return
	}
	go func() {
		d.compiling.left.Wait()
		d.Backend.Finalize()
	}()
}

// Notices receives the lines that Open says aloud: a download, a slow engine. Standard error unless a program changes it.
var Notices io.Writer = os.Stderr

func say(line string) { fmt.Fprintln(Notices, "clipkit:", line) }

// ErrUnknown is wrapped for a device string that names nothing.
var ErrUnknown = errors.New("unknown device")

// kinds of devices; each opens by what comes after "kind:".
var kinds = map[string]func(rest string) (*Device, error){"cpu": openCPU, "cuda": openCUDA, "npu": openNPU}

// engines in the order in which "cpu" tries them; "openvino" only when it is asked for.
var engines = []struct {
	name string
	open func() (compute.Backend, error)
}{
	{"xla", openXLA},
	{"onnx", openONNX},
	{"go", openGo},
}

// Open opens a device: "cpu", "cuda" or "npu", with what may follow; "" takes CLIPKIT_DEVICE, else "cpu".
func Open(name string) (*Device, error) {
	kind, rest := kindOf(name)
	open, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("opening device %q: %w; there are \"cpu\" (cpu:xla, cpu:onnx, cpu:openvino, cpu:go), \"cuda\" (cuda:0, cuda:1, …, cuda:0-7, cuda:all) and \"npu\" (npu:0, npu:cann:0, npu:openvino)", name, ErrUnknown)
	}
	dev, err := open(rest)
	if err != nil {
		return nil, fmt.Errorf("opening device %q: %w", name, err)
	}
	dev.Asked = kind
	if rest != "" {
		dev.Asked = strings.Replace(kind+":"+rest, ":,", ",", 1)
	}
	return dev, nil
}

// kindOf divides a name, or what stands for "": "npu,precision=f16" is "npu" and ",precision=f16".
func kindOf(name string) (kind, rest string) {
	name = cmp.Or(name, os.Getenv("CLIPKIT_DEVICE"), "cpu")
	kind, rest, _ = strings.Cut(name, ":")
	if at := strings.Index(kind, ","); at >= 0 {
		kind, rest = kind[:at], name[at:]
	}
	return kind, rest
}

// openCPU takes the asked engine, or the first that works.
func openCPU(engine string) (*Device, error) {
	if engine == "openvino" {
		return openCPUOpenVINO()
	}
	if strings.HasPrefix(engine, "0") {
		return openVirtual(engine)
	}
	var failed []string
	for _, e := range engines {
		if engine != "" && e.name != engine {
			continue
		}
		b, err := e.open()
		if err == nil {
			if e.name == "go" && engine == "" {
				say("no fast engine found (" + strings.Join(failed, "; ") + "): using GoMLX's pure-Go backend, many times slower")
			}
			return &Device{Name: "cpu", Engine: e.name, Backend: b}, nil
		}
		if engine != "" {
			return nil, err
		}
		failed = append(failed, e.name+": "+err.Error())
	}
	if engine != "" {
		return nil, fmt.Errorf("%w engine %q, want xla, onnx, openvino or go", ErrUnknown, engine)
	}
	return nil, errors.New(strings.Join(failed, "; "))
}

func openXLA() (compute.Backend, error) {
	config, err := xlaConfig()
	if err != nil {
		return nil, err
	}
	return newBackend(config)
}

// xlaConfig names XLA's plugin for the processor, which it brings where it is not.
func xlaConfig() (string, error) {
	xla.EnableAutoInstall(false) // only when asked for below: it reaches outside the package index
	if os.Getenv("PJRT_PLUGIN_LIBRARY_PATH") != "" {
		return "xla:cpu", nil
	}
	w, known := xlaWheels[platform()]
	if known {
		lib, err := w.fetch(say)
		if err == nil {
			lib, err = processorPath(lib)
		}
		if err == nil {
			return "xla:" + lib, nil
		}
		if os.Getenv(xla.NoAutoInstallEnv) != "" || errors.Is(err, pip.ErrCache) { // GoMLX's installer writes in the home folder too
			return "", err
		}
		say(err.Error())
	} else if os.Getenv(xla.NoAutoInstallEnv) != "" {
		return "", fmt.Errorf("%w: no pinned XLA plugin for %s, and GOMLX_NO_AUTO_INSTALL is set", ErrRuntime, platform())
	}
	say("asking GoMLX's installer for the XLA plugin")
	if err := xla.AutoInstallPlugin("cpu"); err != nil {
		said := strings.ReplaceAll(firstLine(err), " %q:", ":") // go-xla 0.4.5 says no folder there
		return "", fmt.Errorf("%w: GoMLX's installer: %s", ErrRuntime, said)
	}
	return "xla:cpu", nil
}

func openONNX() (compute.Backend, error) {
	onnx.EnableAutoInstall(false)
	if ort.Loaded() == "" { // else another device brought its own, which has the processor's provider as well
		lib, err := runtimeLibrary(onnxWheels)
		if err != nil {
			return nil, err
		}
		if err := ort.Load(lib, logLevels["error"]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRuntime, err)
		}
	}
	return newBackend("onnx:cpu," + ort.Loaded())
}

// openGo runs operations one after another: in training the parallel form waits for its own pool of workers for ever (compute 0.1.6).
func openGo() (compute.Backend, error) {
	if !slices.Contains(compute.List(), "go") {
		return nil, errors.New("the pure-Go engine is left out of cells, to keep them small; to use it, add _ \"github.com/gomlx/compute/gobackend\" to the notebook's imports and run that cell again")
	}
	return newBackend("go:ops_sequential")
}

func newBackend(config string) (b compute.Backend, err error) {
	err = Catch(func() error {
		var err error
		b, err = compute.NewWithConfig(config)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("engine %q: %s", config, firstLine(err))
	}
	return b, nil
}
