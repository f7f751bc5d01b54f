package ort

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"github.com/gomlx/compute/shapes"
	"google.golang.org/protobuf/proto"
)

// builder is compute-onnx's, up to the model.
type builder struct {
	compute.Builder
	backend *Backend
}

// Compile writes the model and loads it with the provider.
func (b *builder) Compile() (compute.Executable, error) {
	if b.backend.IsFinalized() {
		return nil, errors.New("the device is closed")
	}
	model, written, err := b.export()
	if err != nil {
		return nil, err
	}
	defer written.Finalize()
	data, err := proto.Marshal(model)
	if err == nil && b.backend.Provider.Rewrite != nil {
		data, err = b.backend.Provider.Rewrite(data)
	}
	if err != nil {
		return nil, fmt.Errorf("writing graph %q as an ONNX model: %w", b.Name(), err)
	}
	dump(b.Name(), data)
	e := &executable{backend: b.backend}
	e.names, e.inputs = written.Inputs()
	e.outputs = written.Outputs()
	if e.session, err = b.backend.session(data); err != nil {
		return nil, fmt.Errorf("graph %q: %w", b.Name(), err)
	}
	if e.placement, err = placement(b.Name(), e.session); err != nil {
		C.ort_release_session(e.session)
		return nil, err
	}
	e.inNames = cNames(e.names)
	for _, o := range model.Graph.Output {
		e.outNames = append(e.outNames, C.CString(o.Name))
	}
	e.cIn, e.cOut = cArray(e.inNames), cArray(e.outNames)
	b.backend.uses.Add(1)
	b.backend.mu.Lock()
	b.backend.executions[e] = true
	b.backend.mu.Unlock()
	return e, nil
}

// export has compute-onnx write the model. The session that it makes on this thread meanwhile is an empty one.
func (b *builder) export() (*onnxpb.ModelProto, compute.Executable, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	C.ort_export(1)
	defer C.ort_export(0)
	e, err := b.Builder.Compile()
	if err != nil {
		return nil, nil, err
	}
	m, ok := e.(interface{ ModelProto() *onnxpb.ModelProto })
	if !ok || m.ModelProto() == nil {
		e.Finalize()
		return nil, nil, fmt.Errorf("%w: compute-onnx kept no model of graph %q", ErrSession, b.Name())
	}
	return m.ModelProto(), e, nil
}

// executable is a session.
type executable struct {
	backend   *Backend
	placement Placement
	names     []string
	inputs    []shapes.Shape
	outputs   []shapes.Shape

	inNames, outNames []*C.char
	cIn, cOut         **C.char

	mu      sync.Mutex
	session *C.OrtSession // nil = finalized
}

var _ compute.Executable = (*executable)(nil)

func (e *executable) Inputs() ([]string, []shapes.Shape) { return e.names, e.inputs }
func (e *executable) Outputs() []shapes.Shape            { return e.outputs }

func (e *executable) Finalize() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == nil {
		return
	}
	C.ort_release_session(e.session)
	e.session = nil
	freeNames(e.inNames)
	freeNames(e.outNames)
	C.free(unsafe.Pointer(e.cIn))
	C.free(unsafe.Pointer(e.cOut))
	e.backend.mu.Lock()
	delete(e.backend.executions, e)
	e.backend.mu.Unlock()
	e.backend.release()
}

// noInput is what compute-onnx gives a graph without inputs, which ONNX Runtime refuses.
const noInput = "dummy_input"

// Execute runs the session on buffers where they lie. Donated ones are freed afterwards; the outputs are new ones.
func (e *executable) Execute(inputs []compute.Buffer, donate []bool, _ compute.DeviceNum) ([]compute.Buffer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == nil {
		return nil, errors.New("the executable was finalized")
	}
	if len(inputs) == 0 && len(e.names) == 1 && e.names[0] == noInput {
		dummy, err := e.backend.BufferFromFlatData(0, make([]int32, e.inputs[0].Size()), e.inputs[0])
		if err != nil {
			return nil, err
		}
		defer dummy.Finalize()
		inputs = []compute.Buffer{dummy}
	}
	if len(inputs) != len(e.inputs) {
		return nil, fmt.Errorf("graph %q takes %d inputs, got %d", e.placement.Graph, len(e.inputs), len(inputs))
	}
	values := make([]*C.OrtValue, len(inputs))
	for i, in := range inputs {
		x, ok := in.(*buffer)
		if !ok || x.backend != e.backend || !x.shape.Equal(e.inputs[i]) {
			return nil, fmt.Errorf("graph %q: input %d (%s) is no %s of this device", e.placement.Graph, i, e.names[i], e.inputs[i])
		}
		if x.value == nil {
			return nil, fmt.Errorf("graph %q: input %d (%s): %w", e.placement.Graph, i, e.names[i], errFinalized)
		}
		values[i] = x.value
	}
	out, err := e.run(values)
	runtime.KeepAlive(inputs)
	if err != nil {
		return nil, err
	}
	buffers := make([]compute.Buffer, len(out))
	for i, v := range out {
		buffers[i] = e.backend.newBuffer(v, e.outputs[i])
	}
	for i, in := range inputs {
		if i < len(donate) && donate[i] {
			_ = in.Finalize()
		}
	}
	return buffers, nil
}

func (e *executable) run(values []*C.OrtValue) ([]*C.OrtValue, error) {
	in := cArray(values)
	defer C.free(unsafe.Pointer(in))
	out := cArray(make([]*C.OrtValue, len(e.outputs)))
	defer C.free(unsafe.Pointer(out))
	C.ort_hush()
	status := C.ort_run(e.session, e.backend.memory, e.cIn, in, C.size_t(len(values)), e.cOut, out, C.size_t(len(e.outputs)))
	if err := check(fmt.Sprintf("running graph %q with %s", e.placement.Graph, e.backend.provider()), status); err != nil {
		return nil, err
	}
	return append([]*C.OrtValue(nil), unsafe.Slice(out, len(e.outputs))...), nil
}
