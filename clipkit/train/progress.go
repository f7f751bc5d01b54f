package train

import (
	"time"

	"clipnb/clipkit/train/step"
)

// Validation is the phase of a Progress whose Pass counts samples of a validation.
const Validation = "validation"

// tell hands progress on, with what is left.
func (j *Job) tell(p Progress) {
	if j.Progress != nil {
		p.Steps, p.Remaining = j.perRun, j.pace.Of(j.perRun-j.state.Step)
		j.Progress(p)
	}
}

// longStep is from when on a step's own passes are told: a shorter one is told of by its end.
const longStep = 5 * time.Second

// passed tells of the passes of a step that began then.
func (j *Job) passed(began time.Time) func(step.Pass) {
	return func(p step.Pass) {
		if p.Of > 1 && j.Now().Sub(began) >= longStep {
			j.tell(Progress{Pass: p})
		}
	}
}

// Validating is what Validate may call while it encodes done of so many samples.
func (j *Job) Validating(done, total int) {
	j.tell(Progress{Pass: step.Pass{Phase: Validation, Done: done, Of: total}})
}

// lastEpoch is the number, from 1, of the epoch of the last step.
func (j *Job) lastEpoch() int {
	if j.state.Batch > 0 || j.state.Step == 0 {
		return j.state.Epoch + 1
	}
	return j.state.Epoch
}
