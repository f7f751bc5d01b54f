package progress

import (
	"fmt"
	"time"
)

// pace remembers when how much was done, to know the recent speed.
type pace struct {
	at   []time.Time
	done []float64
}

// reports that count as recent.
const recent = 24

func (p *pace) add(at time.Time, done float64) {
	p.at, p.done = append(p.at, at), append(p.done, done)
	if len(p.at) > recent {
		p.at, p.done = p.at[1:], p.done[1:]
	}
}

// left is how long until all is done; false where the speed is not known yet.
func (p *pace) left(all float64) (time.Duration, bool) {
	last := len(p.at) - 1
	if last < 1 || p.done[last] <= p.done[0] {
		return 0, false
	}
	speed := (p.done[last] - p.done[0]) / p.at[last].Sub(p.at[0]).Seconds()
	return time.Duration((all - p.done[last]) / speed * float64(time.Second)), true
}

// work is what so many parts took, and what all take.
func (l *Line) work(done int64) (sum, all float64) {
	for _, c := range l.costs {
		n := min(int64(c.parts), max(0, done))
		done -= int64(c.parts)
		sum, all = sum+float64(n)*c.each, all+float64(c.parts)*c.each
	}
	return sum, all
}

// tellLeft puts the time that is left before the bar, where parts differ. It changes at most once a second.
func (l *Line) tellLeft(done int64) {
	if l.costs == nil {
		return
	}
	now := time.Now()
	sum, all := l.work(done)
	l.speed.add(now, sum)
	if left, ok := l.speed.left(all); ok && now.Sub(l.said) >= time.Second {
		l.said = now
		l.bar.Describe(fmt.Sprintf("%s, %v left", l.what, left.Round(time.Second)))
	}
}
