package lower

import (
	"fmt"

	"github.com/gomlx/compute"
	onnx "github.com/gomlx/compute-onnx"
	"github.com/gomlx/compute/shapes"
)

// Wrap gives a backend of compute-onnx whose graphs consist of the operations in Taken. Everything else is b's; finalizing either ends both.
func Wrap(b compute.Backend) compute.Backend { return &backend{Backend: b} }

type backend struct{ compute.Backend }

type builder struct {
	compute.Builder
	on   *backend
	main *function
}

// function builds a graph. Methods that it has not are the engine's.
type function struct {
	compute.Function
	builder *builder
	floats  map[compute.Value]compute.Value // what random numbers were before they became integers
}

type executable struct {
	compute.Executable
	on *backend
}

// buffer says that it belongs to the wrapped backend: GoMLX refuses tensors of another one.
type buffer struct {
	compute.Buffer
	on *backend
}

func (b *backend) Builder(name string) compute.Builder {
	inner := &builder{Builder: b.Backend.Builder(name), on: b}
	inner.main = &function{Function: inner.Builder.Main(), builder: inner, floats: map[compute.Value]compute.Value{}}
	return inner
}

func (b *backend) BufferFromFlatData(d compute.DeviceNum, flat any, s shapes.Shape) (compute.Buffer, error) {
	x, err := b.Backend.BufferFromFlatData(d, flat, s)
	return b.mine(x), err
}

func (b *backend) NewSharedBuffer(d compute.DeviceNum, s shapes.Shape) (compute.Buffer, any, error) {
	x, flat, err := b.Backend.NewSharedBuffer(d, s)
	return b.mine(x), flat, err
}

func (b *backend) mine(x compute.Buffer) compute.Buffer {
	if x == nil {
		return nil
	}
	return &buffer{Buffer: x, on: b}
}

func (x *buffer) Backend() compute.Backend { return x.on }

// Address is the engine's, where it has one (package ort).
func (x *buffer) Address() (uintptr, error) {
	if inner, ok := x.Buffer.(interface{ Address() (uintptr, error) }); ok {
		return inner.Address()
	}
	return 0, fmt.Errorf("%w: a %T's address", compute.ErrNotImplemented, x.Buffer)
}

func (x *buffer) CopyToDevice(d compute.DeviceNum) (compute.Buffer, error) {
	y, err := x.Buffer.CopyToDevice(d)
	return x.on.mine(y), err
}

func (b *builder) Main() compute.Function { return b.main }

// NewFunction is refused: what it would hold could not be kept to Taken.
func (b *builder) NewFunction(name string) (compute.Function, error) {
	return nil, fmt.Errorf("building function %q for an NPU: %w", name, compute.ErrNotImplemented)
}

func (b *builder) Compile() (compute.Executable, error) {
	e, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return &executable{Executable: e, on: b.on}, nil
}

func (e *executable) Execute(in []compute.Buffer, donate []bool, d compute.DeviceNum) ([]compute.Buffer, error) {
	raw := make([]compute.Buffer, len(in))
	for i, x := range in {
		mine, ok := x.(*buffer)
		if !ok {
			return nil, fmt.Errorf("running a graph on an NPU: input %d is a %T of another backend", i, x)
		}
		raw[i] = mine.Buffer
	}
	out, err := e.Executable.Execute(raw, donate, d)
	for i, x := range out {
		out[i] = e.on.mine(x)
	}
	return out, err
}

func (f *function) Builder() compute.Builder { return f.builder }

// Closure is refused as NewFunction is.
func (f *function) Closure() (compute.Function, error) { return f.builder.NewFunction("closure") }

// node adds an operation that compute-onnx has no method for.
func (f *function) node(op string, s shapes.Shape, inputs ...compute.Value) (compute.Value, error) {
	native, ok := f.Function.(*onnx.Function)
	if !ok {
		return nil, fmt.Errorf("lower.Wrap is around a backend that is not compute-onnx's: its functions are %T", f.Function)
	}
	nodes := make([]*onnx.Node, len(inputs))
	for i, x := range inputs {
		if nodes[i], ok = x.(*onnx.Node); !ok {
			return nil, fmt.Errorf("operation %s: input %d is a %T, not compute-onnx's", op, i, x)
		}
	}
	return native.AddCustomNode(op, nodes, s), nil
}

// steps adds operations one after another; the first error ends them.
type steps struct {
	f   *function
	err error
}

func (s *steps) do(op func() (compute.Value, error)) compute.Value {
	if s.err != nil {
		return nil
	}
	var v compute.Value
	v, s.err = op()
	return v
}

func (s *steps) shape(v compute.Value) (shape shapes.Shape) {
	if s.err == nil {
		shape, s.err = s.f.Function.Shape(v)
	}
	return shape
}
