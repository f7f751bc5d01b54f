// Package lora is low-rank adaptation (Hu et al. 2021): of every matrix W [out,in] in the blocks of both towers only an addition scale·B·A, with
// scale = alpha/rank, is trained, with A [rank,in] and B [out,rank]; all else stays. B begins at zero, so training begins at the model as it is. A ResNet
// has no such blocks: with one, the additions are the text tower's, and the vision tower is frozen.
//
// Here are the factors and what is computed of them. Package train/step trains them, with the sums in the model.
package lora

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"clipnb/clipkit/arch"

	. "github.com/gomlx/gomlx/core/graph"
)

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

// Begin gives the values of A that training begins with, as the authors' program does.
func (ad Adapter) Begin(seed uint64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(ad.A.Name))
	rng, bound := rand.New(rand.NewPCG(seed, h.Sum64())), 1/math.Sqrt(float64(ad.A.Shape[1]))
	a := make([]float32, ad.A.Size())
	for i := range a {
		a[i] = float32((2*rng.Float64() - 1) * bound)
	}
	return a
}

// FactorGradients are those of A, scale·Bᵀ·G, and of B, scale·G·Aᵀ, where G is the gradient of the matrix.
func FactorGradients(grad, a, b *Node, scale float64) (ofA, ofB *Node) {
	ofA = Dot(b, grad).General([]int{0}, nil, []int{0}, nil)
	ofB = Dot(grad, a).General([]int{1}, nil, []int{1}, nil)
	return MulScalar(ofA, scale), MulScalar(ofB, scale)
}

// Sum: base [out,in], A [rank,in] and B [out,rank] → base + scale·B·A.
func Sum(base, a, b *Node, scale float64) *Node {
	product := Dot(b, a).General([]int{1}, nil, []int{0}, nil)
	return Add(base, MulScalar(product, scale))
}

// Check refuses factors that do not make merged of base.
func (ad Adapter) Check(base, a, b, merged []float32, scale float64) error {
	out, in, rank := ad.Matrix.Shape[0], ad.Matrix.Shape[1], ad.A.Shape[0]
	if len(a) != rank*in || len(b) != out*rank {
		return fmt.Errorf("lora_rank is %d, and the additions of %s have another rank", rank, ad.Matrix.Name)
	}
	limit := 1e-4 * float64(max(slices.Max(merged), -slices.Min(merged)))
	row := make([]float64, in)
	for i := range out {
		clear(row)
		for k := range rank {
			w := scale * float64(b[i*rank+k])
			for j := range row {
				row[j] += w * float64(a[k*in+j])
			}
		}
		for j, added := range row {
			if math.Abs(float64(base[i*in+j])+added-float64(merged[i*in+j])) > limit {
				return fmt.Errorf("the model is not the one that this LoRA run began with (%s differs): load the weights of then", ad.Matrix.Name)
			}
		}
	}
	return nil
}
