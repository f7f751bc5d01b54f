// Package progress is the line on standard error that says of long work how far it is, how fast and how long it still takes.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Line is one such line. It is not begun before the first report. A nil Line says nothing.
type Line struct {
	out   io.Writer
	what  string
	total int64
	bytes bool
	own   bool // Left tells how long it still takes
	left  string
	drawn time.Time
	from  time.Time // Late
	gate  gate
	bar   *progressbar.ProgressBar

	costs []cost // of work whose parts differ (Then); nil: all are alike
	speed recently
}

// interval is the time between two drawings, at least.
const interval = 250 * time.Millisecond

// gate is where the bar draws: it would draw a new description with the old count.
type gate struct {
	to     io.Writer
	closed bool
}

func (g *gate) Write(p []byte) (int, error) {
	if g.closed {
		return len(p), nil
	}
	return g.to.Write(p)
}

// New makes a line about what is being done, total times in all; 0 leaves that to Set. Nothing is written yet.
func New(out io.Writer, what string, total int) *Line {
	return &Line{out: out, what: what, total: int64(total)}
}

// Bytes makes a line that counts bytes.
func Bytes(out io.Writer, what string) *Line { return &Line{out: out, what: what, bytes: true} }

// Late keeps the line back for a second: work that is done sooner says nothing.
func (l *Line) Late() *Line {
	if l != nil {
		l.from = time.Now().Add(time.Second)
	}
	return l
}

// Set reports how much is done; a total of 0 is not known yet. A total that New was given stands.
func (l *Line) Set(done, total int64) {
	if l == nil || l.bar == nil && time.Now().Before(l.from) {
		return
	}
	if l.total > 0 {
		total = l.total
	}
	if total <= 0 {
		total = -1
	}
	if l.bar == nil {
		l.gate = gate{to: l.out, closed: true}
		l.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetPredictTime(!l.own),
			progressbar.OptionSetWriter(&l.gate),
			progressbar.OptionShowCount(),
			progressbar.OptionShowBytes(l.bytes),
			progressbar.OptionSetWidth(16),
			progressbar.OptionUseANSICodes(false),
		)
	}
	if l.bar.GetMax64() != total {
		l.bar.ChangeMax64(total)
	}
	l.tellLeft(done)
	l.bar.Describe(l.what + l.left)
	if now := time.Now(); done == total || now.Sub(l.drawn) >= interval {
		l.gate.closed, l.drawn = false, now
	}
	_ = l.bar.Set64(done) // fails only beyond the total
	if l.out == os.Stderr && !l.gate.closed {
		standing.Store(true)
	}
	l.gate.closed = true
}

// standing is whether a line on standard error is not ended.
var standing atomic.Bool

// Say writes a line of text to standard error. If a line of progress stands there it is ended, and drawn again below by its next report.
func Say(text string) {
	if standing.Swap(false) {
		text = "\n" + text
	}
	fmt.Fprintln(os.Stderr, text)
}

// Of reports samples, as Set does.
func (l *Line) Of(done, total int) { l.Set(int64(done), int64(total)) }

// Describe changes what is being done, from the next report on.
func (l *Line) Describe(what string) {
	if l != nil {
		l.what = what
	}
}

// Left says how long the work still takes, in place of the line's own guess from all that is done, part of which an earlier process may have done. It is
// called before the first report, and again before others; 0 is not known yet.
func (l *Line) Left(d time.Duration) {
	if l == nil {
		return
	}
	l.own, l.left = true, ""
	if d > 0 {
		l.left = ", " + Duration(d) + " left"
	}
}

// Duration is as exact as a reader needs: "3d4h", "5h12m", "12m", "2m28s", "40s".
func Duration(d time.Duration) string {
	switch minutes := int(d.Round(time.Minute).Minutes()); {
	case d < 90*time.Second:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 10*time.Minute-500*time.Millisecond:
		s := int(d.Round(time.Second).Seconds())
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case minutes < 60:
		return fmt.Sprintf("%dm", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%dh%02dm", minutes/60, minutes%60)
	default:
		return fmt.Sprintf("%dd%dh", minutes/60/24, minutes/60%24)
	}
}

// Rate has a digit where a number is small: "180", "3.2", "0.4", "0.042".
func Rate(x float64) string {
	switch {
	case x >= 10 || x <= 0:
		return fmt.Sprintf("%.0f", x)
	case x >= 0.1:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// Finish ends the line.
func (l *Line) Finish() {
	if l == nil || l.bar == nil || l.out == os.Stderr && !standing.Swap(false) {
		return
	}
	fmt.Fprintln(l.out)
}
