// Package progress is the line on standard error that says of long work how far it is, how fast and how long it still takes.
package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Line is one such line. It is not begun before the first report. A nil Line says nothing.
type Line struct {
	out   io.Writer
	what  string
	total int64
	bytes bool
	bar   *progressbar.ProgressBar

	costs []cost // of work whose parts differ; nil: all are alike
	speed pace
	said  time.Time
}

// New makes a line about what is being done, total times in all; 0 leaves that to Set. Nothing is written yet.
func New(out io.Writer, what string, total int) *Line {
	return &Line{out: out, what: what, total: int64(total)}
}

// Bytes makes a line that counts bytes.
func Bytes(out io.Writer, what string) *Line { return &Line{out: out, what: what, bytes: true} }

// cost is how many parts of one kind there are, and what each takes in a unit of one's own.
type cost struct {
	parts int
	each  float64
}

// Then says that the next parts of the work, in their order, take so much each: pictures and then texts, say. The time that is left is told from the recent
// speed in these units, and not from the mean number of parts.
func (l *Line) Then(parts int, each float64) *Line {
	l.costs = append(l.costs, cost{parts, each})
	return l
}

// Set reports how much is done; a total of 0 is not known yet. A total that New was given stands.
func (l *Line) Set(done, total int64) {
	if l == nil {
		return
	}
	if l.total > 0 {
		total = l.total
	}
	if total <= 0 {
		total = -1
	}
	if l.bar == nil {
		l.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetDescription(l.what),
			progressbar.OptionSetWriter(l.out),
			progressbar.OptionThrottle(250*time.Millisecond),
			progressbar.OptionShowCount(),
			progressbar.OptionShowBytes(l.bytes),
			progressbar.OptionSetWidth(16),
			progressbar.OptionUseANSICodes(false),
			progressbar.OptionSetPredictTime(l.costs == nil),
		)
	}
	if l.bar.GetMax64() != total {
		l.bar.ChangeMax64(total)
	}
	l.tellLeft(done)
	_ = l.bar.Set64(done) // fails only beyond the total
}

// Of reports samples, as Set does.
func (l *Line) Of(done, total int) { l.Set(int64(done), int64(total)) }

// Describe changes what is being done.
func (l *Line) Describe(what string) {
	if l == nil {
		return
	}
	l.what = what
	if l.bar != nil {
		l.bar.Describe(what)
	}
}

// Finish ends the line.
func (l *Line) Finish() {
	if l != nil && l.bar != nil {
		fmt.Fprintln(l.out)
	}
}
