package watch

import (
	"slices"
	"time"
)

// Pace is how long the last steps of this process took, with their loading and without what came between them.
type Pace struct {
	begun bool
	last  []time.Duration
}

// Paced steps are those whose median tells how long the rest takes.
const Paced = 20

// Add takes a step. The first of a process is left out: it compiles.
func (p *Pace) Add(took time.Duration) {
	if !p.begun {
		p.begun = true
		return
	}
	if p.last = append(p.last, took); len(p.last) > Paced {
		p.last = p.last[1:]
	}
}

// Of is how long so many steps take; 0 = not known yet.
func (p *Pace) Of(steps int) time.Duration {
	if len(p.last) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(p.last))
	return sorted[len(sorted)/2] * time.Duration(steps)
}
