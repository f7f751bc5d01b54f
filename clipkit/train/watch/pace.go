package watch

import (
	"slices"
	"time"
)

// Pace is how long the last steps of this process took, with their loading and without what came between them.
type Pace struct {
	begun bool
	first time.Duration // where it is long; 0 otherwise
	last  []time.Duration
}

// Paced steps are those whose median tells how long the rest takes.
const Paced = 20

// long is a first step of which compiling is a small part.
const long = time.Minute

// Took is how long something took that began and ended then: more than nothing, so that no rate is negative or infinite, whatever a clock does.
func Took(began, ended time.Time) time.Duration { return max(1, ended.Sub(began)) }

// Add takes a step. The first of a process compiles: it counts only where it is long, and until there is another.
func (p *Pace) Add(took time.Duration) {
	if !p.begun {
		if p.begun = true; took >= long {
			p.first = took
		}
		return
	}
	if p.last = append(p.last, took); len(p.last) > Paced {
		p.last = p.last[1:]
	}
}

// Of is how long so many steps take; 0 = not known yet.
func (p *Pace) Of(steps int) time.Duration {
	if len(p.last) == 0 {
		return p.first * time.Duration(steps)
	}
	sorted := slices.Sorted(slices.Values(p.last))
	return sorted[len(sorted)/2] * time.Duration(steps)
}
