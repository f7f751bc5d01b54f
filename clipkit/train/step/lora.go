package step

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"

	. "github.com/gomlx/gomlx/core/graph"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// LoRA (Hu et al. 2021): of every matrix W [out,in] in the blocks of both towers only an addition alpha/rank · B·A is trained, with
// A [rank,in] and B [out,rank]; all else stays. B begins at zero, so training begins at the model as it is. A ResNet has no such blocks:
// with one, the additions are the text tower's, and the vision tower is frozen.
//
// The model always holds the sums W + alpha/rank · B·A, and the step puts the new ones there; so validation, checkpoints and everything
// else see plain weights. The untouched W lie beside them under loraBase. What is saved is memory: two moments of the additions instead of
// two of the matrices. The time of a step is about the same.

// loraBase is where the matrices without their additions lie.
const loraBase = "lora.base/"

// Adapter is one matrix and its addition's factors.
type Adapter struct{ Matrix, A, B arch.Tensor }

// Adapters of a model, in the order of its tensors.
func Adapters(cfg arch.Config, rank int, freezeVision bool) (list []Adapter) {
	for _, t := range cfg.Tensors() {
		vision := strings.HasPrefix(t.Name, "visual.transformer.resblocks.") && !freezeVision
		if len(t.Shape) != 2 || !vision && !strings.HasPrefix(t.Name, "bert.encoder.layer.") {
			continue
		}
		part := strings.TrimSuffix(strings.TrimSuffix(t.Name, ".weight"), "_weight") // in_proj_weight: one matrix for q, k and v
		list = append(list, Adapter{Matrix: t,
			A: arch.Tensor{Name: part + ".lora_A.weight", Shape: []int{rank, t.Shape[1]}},
			B: arch.Tensor{Name: part + ".lora_B.weight", Shape: []int{t.Shape[0], rank}}})
	}
	return list
}

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
		h := fnv.New64a()
		h.Write([]byte(ad.A.Name))
		rng, bound := rand.New(rand.NewPCG(s.config.Seed, h.Sum64())), 1/math.Sqrt(float64(ad.A.Shape[1]))
		a := make([]float32, ad.A.Shape[0]*ad.A.Shape[1])
		for i := range a {
			a[i] = float32((2*rng.Float64() - 1) * bound) // as the authors' program does
		}
		for _, v := range []struct {
			prefix string
			of     arch.Tensor
			values []float32
		}{{loraBase, ad.Matrix, base}, {"", ad.A, a}, {"", ad.B, make([]float32, ad.B.Shape[0]*ad.B.Shape[1])}} {
			if err := s.newVariable(v.prefix, v.of, v.values, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// loraGradients turns the gradients of the matrices into those of their factors: of A scale·Bᵀ·G, of B scale·G·Aᵀ, in the order of s.params.
func (s *Stepper) loraGradients(scope *gomodel.Scope, loss *Node) (grads []*Node) {
	g := loss.Graph()
	matrices := make([]*Node, len(s.adapters))
	for i, ad := range s.adapters {
		matrices[i] = s.value(scope, g, ad.Matrix.Name)
	}
	for i, grad := range Gradient(loss, matrices...) {
		a, b := s.value(scope, g, s.adapters[i].A.Name), s.value(scope, g, s.adapters[i].B.Name)
		ofA := Dot(b, grad).General([]int{0}, nil, []int{0}, nil)
		ofB := Dot(grad, a).General([]int{1}, nil, []int{1}, nil)
		grads = append(grads, MulScalar(ofA, s.loraScale()), MulScalar(ofB, s.loraScale()))
	}
	return grads
}

// sumGraph: base [out,in], A [rank,in] and B [out,rank] → base + scale·B·A.
func (s *Stepper) sumGraph(in []*Node) []*Node {
	product := Dot(in[2], in[1]).General([]int{1}, nil, []int{0}, nil)
	return []*Node{Add(in[0], MulScalar(product, s.loraScale()))}
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
		out, err := s.sum.runKeepingInputs(s.model, in...)
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
		out, in, rank := ad.Matrix.Shape[0], ad.Matrix.Shape[1], s.config.LoRARank
		if len(a) != rank*in || len(b) != out*rank {
			return fmt.Errorf("%w: lora_rank is %d, and the additions of %s have another rank", ErrConfig, rank, ad.Matrix.Name)
		}
		limit := 1e-4 * float64(max(slices.Max(merged), -slices.Min(merged)))
		row := make([]float64, in)
		for i := range out {
			clear(row)
			for k := range rank {
				w := s.loraScale() * float64(b[i*rank+k])
				for j := range row {
					row[j] += w * float64(a[k*in+j])
				}
			}
			for j, added := range row {
				if math.Abs(float64(base[i*in+j])+added-float64(merged[i*in+j])) > limit {
					return fmt.Errorf("%w: the model is not the one that this LoRA run began with (%s differs): load the weights of then", ErrConfig, ad.Matrix.Name)
				}
			}
		}
	}
	return nil
}
