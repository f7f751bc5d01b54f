package step

import (
	"clipnb/clipkit/device"
	"clipnb/clipkit/model"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// graphs is one graph function of the model's parameters, compiled at its first use for each shape of its inputs.
type graphs struct {
	build    func(*gomodel.Scope, []*Node) []*Node
	split    []bool // which inputs are split over several devices (many.go)
	exec     *gomodel.Exec
	compiled map[*Graph]bool
}

// run frees its inputs and gives the outputs, which are on the device.
func (g *graphs) run(s *Stepper, in ...*tensors.Tensor) (out []*tensors.Tensor, err error) {
	dev, inputs := s.model.Device, make([]shapes.Shape, len(in))
	for i, t := range in {
		inputs[i] = t.Shape()
		defer t.FinalizeAll()
	}
	err = device.Catch(func() error {
		if g.exec == nil {
			if g.exec, err = dev.Exec(s.store, g.split, g.build); err != nil {
				return err
			}
			g.compiled = map[*Graph]bool{}
		}
		if dev.Many != nil {
			out, err = dev.Call(g.exec, g.split, in)
			return err
		}
		graph, err := g.exec.Compile(inputs...)
		if err != nil {
			return err
		}
		if !g.compiled[graph] {
			g.compiled[graph] = true
			device.TrimMemory() // what the compiler took, before the step needs its own
		}
		out, err = dev.Call(g.exec, nil, in)
		return err
	})
	return out, err
}

func (g *graphs) close() {
	if g.exec != nil {
		g.exec.Finalize()
		g.exec, g.compiled = nil, nil
	}
}

// function is a graph of its inputs alone, compiled for each shape of them.
type function struct {
	build func([]*Node) []*Node
	exec  *Exec
}

// run takes its inputs' memory: they are gone afterwards.
func (f *function) run(m *model.Model, in ...*tensors.Tensor) (out []*tensors.Tensor, err error) {
	args := make([]any, len(in))
	for i, t := range in {
		if args[i], err = DonateTensorBuffer(t, m.Device.Backend, 0); err != nil {
			return nil, err
		}
	}
	return f.runKeepingInputs(m, args...)
}

// runKeepingInputs leaves its inputs as they are.
func (f *function) runKeepingInputs(m *model.Model, in ...any) (out []*tensors.Tensor, err error) {
	err = device.Catch(func() error {
		if f.exec == nil {
			if f.exec, err = NewExec(m.Device.Backend, f.build); err != nil {
				return err
			}
		}
		out, err = f.exec.Call(in...)
		return err
	})
	return out, err
}

func (f *function) close() {
	if f.exec != nil {
		f.exec.Finalize()
		f.exec = nil
	}
}

// takeValues copies a tensor's values out and frees it.
func takeValues(t *tensors.Tensor) (values []float32, err error) {
	defer t.FinalizeAll()
	err = device.Catch(func() error {
		values, err = tensors.CopyFlatData[float32](t)
		return err
	})
	return values, err
}
