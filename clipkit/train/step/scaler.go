package step

import (
	"fmt"
	"math"

	"clipnb/clipkit/model"

	. "github.com/gomlx/gomlx/core/graph"
)

// Training in float16 multiplies the loss before it is differentiated and divides the gradients by the same afterwards: small ones would be zero in
// between. When the factor is too large, some gradient is not finite; the step is then left out and the factor halved. It is the
// GradScaler of PyTorch with its defaults, which the reference uses (cn_clip/training/main.py:176). The reference forgets the factor at every resume; here it is part of a checkpoint.
// An Ascend NPU shows what overflows in its non-saturating mode only, which INF_NAN_MODE_ENABLE=1 turns on.

// LossScale is the state of that.
type LossScale struct {
	Factor float64 // a power of 2, so that multiplying loses nothing; 0 = the loss is not scaled
	Good   int     // steps since it last changed
}

const (
	firstFactor  = 1 << 16
	growEvery    = 2000            // good steps
	largest      = 1 << 127        // in float32
	smallest     = 1.0 / (1 << 24) // of float16: below, scaling can help no more
	growth, back = 2, 0.5
)

// after a step whose gradients were finite, or not.
func (s LossScale) after(finite bool) LossScale {
	if !finite {
		return LossScale{Factor: s.Factor * back}
	}
	if s.Good++; s.Good == growEvery {
		s.Good = 0
		if s.Factor*growth <= largest {
			s.Factor *= growth
		}
	}
	return s
}

// scaled tells whether steps scale their loss.
func (s *Stepper) scaled() bool { return s.precision == model.F16 }

// LossScale is that of the next step.
func (s *Stepper) LossScale() LossScale { return s.scale }

// SetLossScale puts back what LossScale gave. In another precision, or with a factor of 0, nothing changes.
func (s *Stepper) SetLossScale(state LossScale) error {
	if !s.scaled() || state.Factor == 0 {
		return nil
	}
	if fraction, _ := math.Frexp(state.Factor); fraction != 0.5 || state.Factor < smallest || state.Factor > largest || state.Good < 0 || state.Good >= growEvery {
		return fmt.Errorf("loss scale %v after %d good steps: want a power of 2 from %g to %g and 0 to %d steps", state.Factor, state.Good, smallest, float64(largest), growEvery-1)
	}
	s.scale = state
	return nil
}

// overflowed takes note of a step whose gradients are not finite.
func (s *Stepper) overflowed(loss, lr float64) error {
	s.scale = s.scale.after(false)
	if s.scale.Factor < smallest {
		return fmt.Errorf("%w: gradients are not finite in float16 whatever the loss (now %v) is multiplied by, and the model is as it was; "+
			"lower the learning rate (now %.3g), look at the data, or train in bf16 or f32", ErrDiverged, loss, lr)
	}
	return nil
}

// norm is the square of the length of all gradients together. It is finite where all of them are, and engines have no simpler common way to ask.
func norm(grads []*Node) *Node {
	sum := ReduceAllSum(Square(grads[0]))
	for _, g := range grads[1:] {
		sum = Add(sum, ReduceAllSum(Square(g)))
	}
	return sum
}
