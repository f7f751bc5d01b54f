// Package compiled has the graph functions of a training step, which are compiled at their first use for each shape of their inputs. Inputs are freed
// by a run, unless it says otherwise, and outputs stay on the device: a step has no memory for both. A run whose context ends while it is compiled leaves the
// compiler to itself (device.Compile); one that computes is finished.
//
//	f := compiled.Function{Build: func(in []*graph.Node) []*graph.Node { … }}
//	defer f.Close()
//	out, err := f.Run(dev, x, y)
//	values, err := compiled.TakeValues(out[0])
package compiled

import (
	"context"

	"clipnb/clipkit/device"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// ModelFunction is a graph function of a store's variables and its inputs.
type ModelFunction struct {
	Build func(*gomodel.Scope, []*graph.Node) []*graph.Node
	Split []bool // which inputs are split over several devices (device.Many)

	dev      *device.Device
	exec     *gomodel.Exec
	compiled map[*graph.Graph]bool
}

// Run frees its inputs and gives the outputs, which are on the device. It returns ctx's error where it has not begun to compute.
func (f *ModelFunction) Run(ctx context.Context, dev *device.Device, store *gomodel.Store, in ...*tensors.Tensor) (out []*tensors.Tensor, err error) {
	inputs := make([]shapes.Shape, len(in))
	for i, t := range in {
		inputs[i] = t.Shape()
		defer t.FinalizeAll()
	}
	err = device.Catch(func() error {
		if f.exec == nil {
			if f.exec, err = dev.Exec(store, f.Split, f.Build); err != nil {
				return err
			}
			f.dev, f.compiled = dev, map[*graph.Graph]bool{}
		}
		g, err := dev.Compile(ctx, f.exec, f.Split, inputs)
		if err != nil {
			return err
		}
		if !f.compiled[g] {
			f.compiled[g] = true
			device.TrimMemory() // what the compiler took, before the step needs its own
		}
		out, err = dev.Call(f.exec, f.Split, in)
		return err
	})
	return out, err
}

// Close frees the graphs.
func (f *ModelFunction) Close() {
	if f.exec != nil {
		f.dev.Free(f.exec)
		f.exec, f.compiled = nil, nil
	}
}

// Function is a graph function of its inputs alone.
type Function struct {
	Build func([]*graph.Node) []*graph.Node
	exec  *graph.Exec
}

// Run takes its inputs' memory: they are gone afterwards.
func (f *Function) Run(dev *device.Device, in ...*tensors.Tensor) (out []*tensors.Tensor, err error) {
	args := make([]any, len(in))
	for i, t := range in {
		if args[i], err = graph.DonateTensorBuffer(t, dev.Backend, 0); err != nil {
			return nil, err
		}
	}
	return f.RunKeepingInputs(dev, args...)
}

// RunKeepingInputs leaves its inputs as they are.
func (f *Function) RunKeepingInputs(dev *device.Device, in ...any) (out []*tensors.Tensor, err error) {
	err = device.Catch(func() error {
		if f.exec == nil {
			if f.exec, err = graph.NewExec(dev.Backend, f.Build); err != nil {
				return err
			}
		}
		out, err = f.exec.Call(in...)
		return err
	})
	return out, err
}

// Close frees the graphs.
func (f *Function) Close() {
	if f.exec != nil {
		f.exec.Finalize()
		f.exec = nil
	}
}

// TakeValues copies a tensor's values out and frees it.
func TakeValues(t *tensors.Tensor) (values []float32, err error) {
	defer t.FinalizeAll()
	err = device.Catch(func() error {
		values, err = tensors.CopyFlatData[float32](t)
		return err
	})
	return values, err
}
