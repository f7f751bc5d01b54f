package step

import (
	"fmt"

	"clipnb/clipkit/model"
	"clipnb/clipkit/train/lossscale"
)

// scaled tells whether steps scale their loss, which float16 needs (package train/lossscale).
func (s *Stepper) scaled() bool { return s.precision == model.F16 }

// LossScale is that of the next step.
func (s *Stepper) LossScale() lossscale.State { return s.scale }

// SetLossScale puts back what LossScale gave. In another precision, or with a factor of 0, nothing changes.
func (s *Stepper) SetLossScale(state lossscale.State) error {
	if !s.scaled() || state.Factor == 0 {
		return nil
	}
	if err := state.Check(); err != nil {
		return err
	}
	s.scale = state
	return nil
}

// overflowed takes note of a step whose gradients are not finite.
func (s *Stepper) overflowed(loss, lr float64) error {
	s.scale = s.scale.After(false)
	if s.scale.Factor < lossscale.Smallest {
		return fmt.Errorf("%w: gradients are not finite in float16 whatever the loss (now %v) is multiplied by, and the model is as it was; "+
			"lower the learning rate (now %.3g), look at the data, or train in bf16 or f32", ErrDiverged, loss, lr)
	}
	return nil
}
