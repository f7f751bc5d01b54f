package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	onnx "github.com/gomlx/compute-onnx"
	_ "github.com/gomlx/compute/gobackend" // engine "go"
	"github.com/gomlx/go-xla/compute/xla"
	_ "github.com/gomlx/go-xla/compute/xla/autoinstall" // GoMLX's own installer, the last place to look
)

// Device is an open engine. It is safe for concurrent use; close it when the models on it are done.
type Device struct {
	Name    string // "cpu", "cuda", "cuda:1"
	Engine  string // "xla", "onnx" or "go"
	Backend compute.Backend

	hardware string // the GPU's name; "" = the processor

	peak sync.Once
	gf   float64 // PeakGFLOPS
}

// String gives name and engine, "cpu (xla)".
func (d *Device) String() string { return d.Name + " (" + d.Engine + ")" }

// IsCPU, IsNPU and IsCUDA tell what kind of device it is.
func (d *Device) IsCPU() bool  { return d.Name == "cpu" }
func (d *Device) IsNPU() bool  { return strings.HasPrefix(d.Name, "npu") }
func (d *Device) IsCUDA() bool { return strings.HasPrefix(d.Name, "cuda") }

// Close frees the engine.
func (d *Device) Close() { d.Backend.Finalize() }

// Notices receives the lines that Open says aloud: a download, a slow engine. Standard error unless a program changes it.
var Notices io.Writer = os.Stderr

func say(line string) { fmt.Fprintln(Notices, "clipkit:", line) }

// ErrUnknown is wrapped for a device string that names nothing.
var ErrUnknown = errors.New("unknown device")

// kinds of devices; each opens by what comes after "kind:".
var kinds = map[string]func(rest string) (*Device, error){"cpu": openCPU, "cuda": openCUDA}

// engines in the order in which "cpu" tries them.
var engines = []struct {
	name string
	open func() (compute.Backend, error)
}{
	{"xla", openXLA},
	{"onnx", openONNX},
	{"go", openGo},
}

// Open opens a device: "cpu" (or "cpu:xla", "cpu:onnx", "cpu:go") or "cuda" (or "cuda:1"); "" takes CLIPKIT_DEVICE, else "cpu".
func Open(name string) (*Device, error) {
	if name == "" {
		name = os.Getenv("CLIPKIT_DEVICE")
	}
	if name == "" {
		name = "cpu"
	}
	kind, rest, _ := strings.Cut(name, ":")
	open, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("opening device %q: %w; there are \"cpu\" (cpu:xla, cpu:onnx, cpu:go) and \"cuda\" (cuda:0, cuda:1, …)", name, ErrUnknown)
	}
	dev, err := open(rest)
	if err != nil {
		return nil, fmt.Errorf("opening device %q: %w", name, err)
	}
	return dev, nil
}

// openCPU takes the asked engine, or the first that works.
func openCPU(engine string) (*Device, error) {
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
		return nil, fmt.Errorf("%w engine %q, want xla, onnx or go", ErrUnknown, engine)
	}
	return nil, errors.New(strings.Join(failed, "; "))
}

func openXLA() (compute.Backend, error) {
	xla.EnableAutoInstall(false) // only when asked for below: it reaches outside the package index
	if os.Getenv("PJRT_PLUGIN_LIBRARY_PATH") != "" {
		return newBackend("xla:cpu")
	}
	w, known := xlaWheels[platform()]
	if known {
		lib, err := w.fetch(say)
		if err == nil {
			return newBackend("xla:" + lib)
		}
		if os.Getenv(xla.NoAutoInstallEnv) != "" {
			return nil, err
		}
		say(err.Error())
	} else if os.Getenv(xla.NoAutoInstallEnv) != "" {
		return nil, fmt.Errorf("%w: no pinned XLA plugin for %s, and GOMLX_NO_AUTO_INSTALL is set", ErrRuntime, platform())
	}
	say("asking GoMLX's installer for the XLA plugin")
	if err := xla.AutoInstallPlugin("cpu"); err != nil {
		return nil, fmt.Errorf("%w: GoMLX's installer: %s", ErrRuntime, firstLine(err))
	}
	return newBackend("xla:cpu")
}

func openONNX() (compute.Backend, error) {
	onnx.EnableAutoInstall(false)
	lib := os.Getenv("ONNXRUNTIME_SHARED_LIBRARY_PATH")
	if lib == "" {
		w, known := onnxWheels[platform()]
		if !known {
			return nil, fmt.Errorf("%w: no pinned ONNX Runtime for %s; set ONNXRUNTIME_SHARED_LIBRARY_PATH", ErrRuntime, platform())
		}
		var err error
		if lib, err = w.fetch(say); err != nil {
			return nil, err
		}
	}
	abs, err := filepath.Abs(lib)
	if err != nil {
		return nil, err
	}
	return newBackend("onnx:cpu," + abs)
}

// openGo runs operations one after another: the parallel form deadlocks in training (FINDINGS.md §3).
func openGo() (compute.Backend, error) { return newBackend("go:ops_sequential") }

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
