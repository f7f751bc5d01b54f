package step

import (
	"fmt"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/train/lora"
	"clipnb/clipkit/weights/tensor"

	. "github.com/gomlx/gomlx/core/graph"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// LoRA (package train/lora).
//
// The model always holds the sums W + alpha/rank · B·A, and the step puts the new ones there; so validation, checkpoints and everything
// else see plain weights. The untouched W lie beside them under loraBase. What is saved is memory: two moments of the additions instead of
// two of the matrices. The time of a step is about the same.

// loraBase is where the matrices without their additions lie.
const loraBase = "lora.base/"

// loraScale multiplies B·A.
func (s *Stepper) loraScale() float64 { return s.config.LoRAAlpha / float64(s.config.LoRARank) }

// adapt makes the factors, and copies of the matrices without them.
func (s *Stepper) adapt() error {
	for _, ad := range s.adapters {
		s.own = append(s.own, ad.A, ad.B)
		_, base, err := s.model.Get(ad.Matrix.Name)
		if err != nil {
			return err
		}
		for _, v := range []struct {
			prefix string
			of     arch.Tensor
			values []float32
		}{{loraBase, ad.Matrix, base}, {"", ad.A, ad.Begin(s.config.Seed)}, {"", ad.B, make([]float32, ad.B.Size())}} {
			if err := s.newVariable(v.prefix, v.of, v.values, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// loraGradients turns the gradients of the matrices into those of their factors, in the order of s.params.
func (s *Stepper) loraGradients(scope *gomodel.Scope, loss *Node) (grads []*Node) {
	g := loss.Graph()
	matrices := make([]*Node, len(s.adapters))
	for i, ad := range s.adapters {
		matrices[i] = s.value(scope, g, ad.Matrix.Name)
	}
	for i, grad := range Gradient(loss, matrices...) {
		a, b := s.value(scope, g, s.adapters[i].A.Name), s.value(scope, g, s.adapters[i].B.Name)
		ofA, ofB := lora.FactorGradients(grad, a, b, s.loraScale())
		grads = append(grads, ofA, ofB)
	}
	return grads
}

// sumGraph is lora.Sum.
func (s *Stepper) sumGraph(in []*Node) []*Node {
	return []*Node{lora.Sum(in[0], in[1], in[2], s.loraScale())}
}

// merge puts W + scale·B·A into the model.
func (s *Stepper) merge() error {
	for _, ad := range s.adapters {
		var in []any
		for _, name := range []string{loraBase + ad.Matrix.Name, ad.A.Name, ad.B.Name} {
			value, err := s.store.GetVariable("/" + name).Value()
			if err != nil {
				return err
			}
			in = append(in, value)
		}
		out, err := s.sum.RunKeepingInputs(s.model.Device, in...)
		if err == nil {
			err = s.put(ad.Matrix.Name, out[0])
		}
		if err != nil {
			return fmt.Errorf("adding LoRA to %s: %w", ad.Matrix.Name, err)
		}
	}
	return nil
}

// Additions are the factors alone, under names as in the PEFT library, with the scale in them: B is stored times alpha/rank. They are none
// without LoRA.
func (s *Stepper) Additions() (parts []tensor.Tensor, err error) {
	for _, ad := range s.adapters {
		for _, t := range []arch.Tensor{ad.A, ad.B} {
			_, values, err := s.model.Get(t.Name)
			if err != nil {
				return nil, err
			}
			if t.Name == ad.B.Name {
				for i := range values {
					values[i] *= float32(s.loraScale())
				}
			}
			parts = append(parts, tensor.F32(t.Name, t.Shape, values))
		}
	}
	return parts, nil
}

// Rebase makes the model's matrices, which were just loaded, those that additions are made to.
func (s *Stepper) Rebase() error {
	for _, ad := range s.adapters {
		shape, values, err := s.model.Get(ad.Matrix.Name)
		if err == nil {
			err = s.model.Set(loraBase+ad.Matrix.Name, shape, values)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckAdapters refuses additions to another model: the matrices of the checkpoint that was just loaded have to be the bases, which are the
// model's from before, plus its additions. read gives a tensor of the checkpoint.
func (s *Stepper) CheckAdapters(read func(name string) ([]int, []float32, error)) error {
	for _, ad := range s.adapters {
		_, a, err := read(ad.A.Name)
		if err != nil {
			return err
		}
		_, b, err := read(ad.B.Name)
		if err != nil {
			return err
		}
		_, merged, err := s.model.Get(ad.Matrix.Name)
		if err != nil {
			return err
		}
		_, base, err := s.model.Get(loraBase + ad.Matrix.Name)
		if err != nil {
			return err
		}
		if err := ad.Check(base, a, b, merged, s.loraScale()); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return nil
}
