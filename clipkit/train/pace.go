package train

import (
	"slices"
	"time"

	"clipnb/clipkit/train/step"
)

// pace is how long the last steps of this process took, with their loading and without what came between them.
type pace struct {
	begun bool
	last  []time.Duration
}

// pacedSteps are those whose median tells how long the rest takes.
const pacedSteps = 20

// add takes a step. The first of a process is left out: it compiles.
func (p *pace) add(took time.Duration) {
	if !p.begun {
		p.begun = true
		return
	}
	if p.last = append(p.last, took); len(p.last) > pacedSteps {
		p.last = p.last[1:]
	}
}

// of is how long so many steps take; 0 = not known yet.
func (p *pace) of(steps int) time.Duration {
	if len(p.last) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(p.last))
	return sorted[len(sorted)/2] * time.Duration(steps)
}

// tell hands progress on, with what is left.
func (j *Job) tell(p Progress) {
	if j.Progress != nil {
		p.Steps, p.Remaining = j.perRun, j.pace.of(j.perRun-j.state.Step)
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

// lastEpoch is the number, from 1, of the epoch of the last step.
func (j *Job) lastEpoch() int {
	if j.state.Batch > 0 || j.state.Step == 0 {
		return j.state.Epoch + 1
	}
	return j.state.Epoch
}
