package ort

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/compute"
	onnx "github.com/gomlx/compute-onnx"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// Kinds of a plugin's device.
const (
	CPU = iota
	GPU
	NPU
)

// Provider says with what a backend's sessions run.
type Provider struct {
	Name    string      // "CANN", "OpenVINO", "plugin"; "" = ONNX Runtime's own CPU provider alone
	Library string      // a plugin's
	Kind    int         // a plugin's device: CPU, GPU or NPU
	Index   int         // the device's; CANN and OpenVINO want it among the options as well
	Options [][2]string // the provider's
	Session [][2]string // of the session ("session.disable_cpu_ep_fallback", "1")
	Log     int         // ONNX Runtime's log level of the sessions, 0 to 4
	Threads int         // of one operator on the processor; 0 = as many as ONNX Runtime takes by itself, one for each core
	Shared  bool        // programs may touch host memory in place (HasSharedBuffers)

	Rewrite func(model []byte) ([]byte, error) // of each serialized model before its session is made; nil = as compute-onnx writes it
}

// Backend is a compute.Backend on one device. Its buffers stay valid after Finalize until they are finalized themselves.
type Backend struct {
	Provider Provider

	exporter *onnx.Backend
	memory   *C.ort_memory
	keeper   *C.OrtSession // what the memory's allocator belongs to
	uses     atomic.Int64  // of memory and keeper: the open backend, each buffer, each executable
	final    atomic.Bool

	mu         sync.Mutex
	executions map[*executable]bool
}

var _ compute.Backend = (*Backend)(nil)

// Open makes a session of one small product with the provider, which shows at once whether it works, and keeps its allocator.
func Open(p Provider) (*Backend, error) {
	e, err := exporter()
	if err != nil {
		return nil, err
	}
	b := &Backend{Provider: p, exporter: e, executions: map[*executable]bool{}}
	b.uses.Store(1)
	if b.keeper, err = b.session(smallModel()); err != nil {
		return nil, err
	}
	cp, free := p.c()
	defer free()
	if err := check("finding the device's memory", C.ort_memory_new(cp, b.keeper, &b.memory)); err != nil {
		C.ort_release_session(b.keeper)
		return nil, err
	}
	return b, nil
}

// c is the provider in C memory.
func (p Provider) c() (cp *C.ort_provider, free func()) {
	o, s := newCStrings(p.Options), newCStrings(p.Session)
	cp = (*C.ort_provider)(C.calloc(1, C.size_t(unsafe.Sizeof(C.ort_provider{}))))
	*cp = C.ort_provider{
		name: C.CString(p.Name), library: C.CString(p.Library), kind: C.int(p.Kind), index: C.int(p.Index), log: C.int(p.Log), threads: C.int(p.Threads),
		keys: cArray(o.keys), values: cArray(o.values), options: C.size_t(len(o.keys)),
		config_keys: cArray(s.keys), config_values: cArray(s.values), configs: C.size_t(len(s.keys)),
	}
	return cp, func() {
		for _, list := range [][]*C.char{o.keys, o.values, s.keys, s.values, {cp.name, cp.library}} {
			freeNames(list)
		}
		for _, a := range []**C.char{cp.keys, cp.values, cp.config_keys, cp.config_values} {
			C.free(unsafe.Pointer(a))
		}
		C.free(unsafe.Pointer(cp))
	}
}

// session loads a model with the provider.
func (b *Backend) session(model []byte) (s *C.OrtSession, err error) {
	cp, free := b.Provider.c()
	defer free()
	C.ort_hush()
	err = check("loading a model with "+b.provider(), C.ort_session(unsafe.Pointer(unsafe.SliceData(model)), C.size_t(len(model)), cp, &s))
	return s, err
}

func (b *Backend) provider() string {
	if b.Provider.Name == "" {
		return "the CPU provider"
	}
	return "the " + b.Provider.Name + " provider"
}

// release ends one use.
func (b *Backend) release() {
	if b.uses.Add(-1) == 0 {
		C.ort_memory_free(b.memory)
		C.ort_release_session(b.keeper)
	}
}

func (b *Backend) Name() string    { return "onnxruntime" }
func (b *Backend) String() string  { return b.Name() }
func (b *Backend) NumDevices() int { return 1 }
func (b *Backend) Description() string {
	return fmt.Sprintf("ONNX Runtime %s with %s, device %d", ortVersion, b.provider(), b.Provider.Index)
}
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return b.Description() }

// Capabilities are compute-onnx's with fixed shapes, which is what providers compile for, and weights as inputs, which stay on the device and
// serve every graph.
func (b *Backend) Capabilities() compute.Capabilities {
	c := b.exporter.Capabilities()
	c.DynamicAxes, c.DynamicShapes = false, compute.DynamicShapesNone
	c.PreferConstantsForVariables = false
	return c
}

// Finalize frees the sessions now and the device with its last buffer.
func (b *Backend) Finalize() {
	if b.final.Swap(true) {
		return
	}
	b.mu.Lock()
	open := make([]*executable, 0, len(b.executions))
	for e := range b.executions {
		open = append(open, e)
	}
	b.mu.Unlock()
	for _, e := range open {
		e.Finalize()
	}
	b.release()
}

func (b *Backend) IsFinalized() bool { return b.final.Load() }

func (b *Backend) HasSharedBuffers() bool {
	return b.Provider.Shared && C.ort_memory_is_host(b.memory) != 0
}

func (b *Backend) Builder(name string) compute.Builder {
	return &builder{Builder: b.exporter.Builder(name), backend: b}
}

func (b *Backend) BufferFromFlatData(_ compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	x, err := b.allocate(shape)
	if err != nil {
		return nil, err
	}
	if err := x.copyIn(flat); err != nil {
		_ = x.Finalize()
		return nil, err
	}
	return x, nil
}

func (b *Backend) NewSharedBuffer(_ compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	if !b.HasSharedBuffers() {
		return nil, nil, errNotShared
	}
	x, err := b.allocate(shape)
	if err != nil {
		return nil, nil, err
	}
	flat, err := x.Data()
	return x, flat, err
}

func (b *Backend) allocate(shape shapes.Shape) (*buffer, error) {
	if b.IsFinalized() {
		return nil, errors.New("the device is closed")
	}
	t, ok := elementTypes[shape.DType]
	if !ok || shape.IsDynamic() {
		return nil, fmt.Errorf("%w: ONNX Runtime tensors of %s", compute.ErrNotImplemented, shape)
	}
	var v *C.OrtValue
	dims := int64s(shape.Dimensions)
	C.ort_hush()
	if err := check(fmt.Sprintf("allocating %s on the device", shape), C.ort_value(b.memory, dims, C.size_t(shape.Rank()), t, &v)); err != nil {
		return nil, err
	}
	return b.newBuffer(v, shape), nil
}

func (b *Backend) newBuffer(v *C.OrtValue, shape shapes.Shape) *buffer {
	b.uses.Add(1)
	x := &buffer{backend: b, value: v, shape: shape}
	runtime.SetFinalizer(x, func(x *buffer) { _ = x.Finalize() })
	return x
}

// elementTypes are ONNX's numbers of them.
var elementTypes = map[dtypes.DType]C.int{
	dtypes.Float32: 1, dtypes.Uint8: 2, dtypes.Int8: 3, dtypes.Uint16: 4, dtypes.Int16: 5, dtypes.Int32: 6, dtypes.Int64: 7,
	dtypes.Bool: 9, dtypes.Float16: 10, dtypes.Float64: 11, dtypes.Uint32: 12, dtypes.Uint64: 13, dtypes.BFloat16: 16,
}

func int64s(dims []int) *C.int64_t {
	if len(dims) == 0 {
		return nil
	}
	out := make([]C.int64_t, len(dims))
	for i, d := range dims {
		out[i] = C.int64_t(d)
	}
	return &out[0]
}

// Placements lists the graphs that are compiled now, in the order of their names.
func (b *Backend) Placements() (list []Placement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := range b.executions {
		list = append(list, e.placement)
	}
	slices.SortFunc(list, Placement.compare)
	return list
}
