package progress

import "time"

// cost is how many parts of one kind there are, and what each takes in a unit of one's own.
type cost struct {
	parts int
	each  float64
}

// Then says that the next parts of the work, in their order, take so much each: pictures and then texts, say. The time that is left is told from the recent
// speed in these units, and not from the mean number of parts. It is called before the first report.
func (l *Line) Then(parts int, each float64) *Line {
	l.own, l.costs = true, append(l.costs, cost{parts, each})
	return l
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

// tellLeft counts on from the recent speed, unless somebody else tells it.
func (l *Line) tellLeft(now time.Time) {
	switch {
	case l.costs != nil:
		sum, all := l.work(l.done)
		l.speed.add(now, sum)
		l.left = l.speed.left(all)
	case !l.own && l.of > 0:
		if last := len(l.speed.at) - 1; last < 0 || now.Sub(l.speed.at[last]) >= interval { // what is reported a thousand times a second has no speed between two reports
			l.speed.add(now, float64(l.done))
		}
		l.left = l.speed.left(float64(l.of))
	}
}

// recently remembers when how much was done.
type recently struct {
	at   []time.Time
	done []float64
}

// reports that count as recent.
const reports = 24

func (p *recently) add(at time.Time, done float64) {
	p.at, p.done = append(p.at, at), append(p.done, done)
	if len(p.at) > reports {
		p.at, p.done = p.at[1:], p.done[1:]
	}
}

// left is how long until all is done; 0 where the speed is not known yet.
func (p *recently) left(all float64) time.Duration {
	last := len(p.at) - 1
	if last < 1 || p.done[last] <= p.done[0] {
		return 0
	}
	took := max(1, p.at[last].Sub(p.at[0])) // whatever a clock does
	return time.Duration(max(0, all-p.done[last]) * float64(took) / (p.done[last] - p.done[0]))
}
