package step

import (
	"context"
	"errors"

	"clipnb/clipkit/exchange"
)

// ErrStopped is wrapped where a step was given up because a context ended, of this process or of another: everything is as it was before it.
var ErrStopped = errors.New("the step was given up")

// Pass is where a step is.
type Pass struct {
	Phase    string // "teacher", "features" or "gradients"
	Done, Of int    // of this process's micro-batches
}

// next is between a step's passes: all processes hear whether one was told to stop, or gave up compiling. After the last pass only the update is left, which
// takes seconds where the passes took minutes, so a step that has its gradients is finished.
func (s *Stepper) next(ctx context.Context, at Pass, passErr error) error {
	gaveUp := passErr != nil && ctx.Err() != nil && errors.Is(passErr, ctx.Err())
	if passErr != nil && !gaveUp {
		return passErr // the others hear of it when this process ends
	}
	if s.Passed != nil && !gaveUp {
		s.Passed(at)
	}
	last := at.Phase == "gradients" && at.Done == at.Of
	stop, err := exchange.Any(s.world(), gaveUp || !last && ctx.Err() != nil)
	if err == nil && stop {
		err = ErrStopped
	}
	return err
}
