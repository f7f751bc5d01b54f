// Package lossscale is what keeps small gradients alive in float16: the loss is multiplied by a factor before it is differentiated, and the gradients are
// divided by the same afterwards; small ones would be zero in between. When the factor is too large, some gradient is not finite; the step is then left
// out and the factor halved. It is the GradScaler of PyTorch with its defaults, which the reference uses (cn_clip/training/main.py:176).
//
// Package train/step scales with it. The reference forgets the factor at every resume; here it is part of a checkpoint.
// An Ascend NPU shows what overflows in its non-saturating mode only, which INF_NAN_MODE_ENABLE=1 turns on.
package lossscale

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// State is the factor of the next step.
type State struct {
	Factor float64 // a power of 2, so that multiplying loses nothing; 0 = the loss is not scaled
	Good   int     // steps since it last changed
}

const (
	First    = 1 << 16         // a run's factor at its beginning
	Smallest = 1.0 / (1 << 24) // of float16: below, scaling can help no more

	growEvery    = 2000     // good steps
	largest      = 1 << 127 // in float32
	growth, back = 2, 0.5
)

// After a step whose gradients were finite, or not.
func (s State) After(finite bool) State {
	if !finite {
		return State{Factor: s.Factor * back}
	}
	if s.Good++; s.Good == growEvery {
		s.Good = 0
		if s.Factor*growth <= largest {
			s.Factor *= growth
		}
	}
	return s
}

// Check refuses what After never gives.
func (s State) Check() error {
	if fraction, _ := math.Frexp(s.Factor); fraction != 0.5 || s.Factor < Smallest || s.Factor > largest || s.Good < 0 || s.Good >= growEvery {
		return fmt.Errorf("loss scale %v after %d good steps: want a power of 2 from %g to %g and 0 to %d steps", s.Factor, s.Good, Smallest, float64(largest), growEvery-1)
	}
	return nil
}

// Norm is the square of the length of all gradients together. It is finite where all of them are, and engines have no simpler common way to ask.
func Norm(grads []*Node) *Node {
	sum := ReduceAllSum(Square(grads[0]))
	for _, g := range grads[1:] {
		sum = Add(sum, ReduceAllSum(Square(g)))
	}
	return sum
}
