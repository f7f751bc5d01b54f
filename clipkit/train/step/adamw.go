package step

import (
	"math"
	"slices"
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

// Trained are those of Parameters that a run without LoRA updates.
func (c Config) Trained(cfg arch.Config) []arch.Tensor {
	return slices.DeleteFunc(Parameters(cfg), func(t arch.Tensor) bool {
		return c.FreezeVision && strings.HasPrefix(t.Name, "visual.")
	})
}

// adamScalars are the numbers of one AdamW step that change from step to step, computed on the host in float64:
//
//	1 − lr·weight decay    lr / (1 − β1ᵗ)    √(1 − β2ᵗ)
//
// t is the number of the update, from 1.
func adamScalars(lr, weightDecay, beta1, beta2 float64, t int) [3]float32 {
	return [3]float32{float32(1 - lr*weightDecay), float32(lr / (1 - math.Pow(beta1, float64(t)))), float32(math.Sqrt(1 - math.Pow(beta2, float64(t))))}
}

// adamW is one decoupled update, in PyTorch's order: decay the weight, move the moments, step by m/(√v/√bias + ε).
// decay is 1 for the no-decay group. The gradient is grad times share.
func adamW(w, m, v, grad, decay, stepSize, sqrtBias *Node, beta1, beta2, epsilon, share float64) (newW, newM, newV *Node) {
	w = Mul(w, decay)
	newM = Add(MulScalar(m, beta1), MulScalar(grad, (1-beta1)*share))
	newV = Add(MulScalar(v, beta2), MulScalar(Square(grad), (1-beta2)*share*share))
	denominator := AddScalar(Div(Sqrt(newV), sqrtBias), epsilon)
	return Sub(w, Mul(stepSize, Div(newM, denominator))), newM, newV
}
