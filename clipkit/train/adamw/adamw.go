// Package adamw is the optimizer of the reference: AdamW as PyTorch computes it, with its two groups of parameters.
//
//	adamw.go     which parameters there are and which decay; one update, as numbers and in a graph
//	inplace.go   the same update where the values lie in the host's memory, in C (kernels.c)
//	groups.go    which parameters are updated together
//	schedule.go  learning rates: warm-up and cosine, and by layer
//
// Package train/step applies it to a model, and compares whole steps with PyTorch's; groups and schedule are compared here.
package adamw

import (
	"math"
	"strings"

	"clipnb/clipkit/arch"

	. "github.com/gomlx/gomlx/core/graph"
)

// NoDecay tells whether the reference leaves a parameter out of weight decay: its name contains bn, ln, bias or logit_scale
// (cn_clip/training/main.py:147). "LayerNorm.weight" of BERT and "downsample.1.weight" of a ResNet do decay, as there.
func NoDecay(name string) bool {
	for _, part := range []string{"bn", "ln", "bias", "logit_scale"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// Parameters lists what an optimizer updates, in the reference's order of optimizer state: the no-decay group, then the others.
func Parameters(cfg arch.Config) []arch.Tensor {
	var plain, decay []arch.Tensor
	for _, t := range cfg.Tensors() {
		switch {
		case t.Buffer:
		case NoDecay(t.Name):
			plain = append(plain, t)
		default:
			decay = append(decay, t)
		}
	}
	return append(plain, decay...)
}

// Scalars are the numbers of one AdamW step that change from step to step, computed on the host in float64:
//
//	1 − lr·weight decay    lr / (1 − β1ᵗ)    √(1 − β2ᵗ)
//
// t is the number of the update, from 1.
func Scalars(lr, weightDecay, beta1, beta2 float64, t int) [3]float32 {
	return [3]float32{float32(1 - lr*weightDecay), float32(lr / (1 - math.Pow(beta1, float64(t)))), float32(math.Sqrt(1 - math.Pow(beta2, float64(t))))}
}

// Constants are what stays the same from step to step. A gradient counts times Share.
type Constants struct{ Beta1, Beta2, Epsilon, Share float64 }

// UpdateGraph is one decoupled update, in PyTorch's order: decay the weight, move the moments, step by m/(√v/√bias + ε).
// decay, stepSize and sqrtBias are the Scalars; decay is 1 for the no-decay group.
func UpdateGraph(k Constants, w, m, v, grad, decay, stepSize, sqrtBias *Node) (newW, newM, newV *Node) {
	w = Mul(w, decay)
	newM = Add(MulScalar(m, k.Beta1), MulScalar(grad, (1-k.Beta1)*k.Share))
	newV = Add(MulScalar(v, k.Beta2), MulScalar(Square(grad), (1-k.Beta2)*k.Share*k.Share))
	denominator := AddScalar(Div(Sqrt(newV), sqrtBias), k.Epsilon)
	return Sub(w, Mul(stepSize, Div(newM, denominator))), newM, newV
}
