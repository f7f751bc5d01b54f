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
}

// New makes a line about what is being done, total times in all; 0 leaves that to Set. Nothing is written yet.
func New(out io.Writer, what string, total int) *Line {
	return &Line{out: out, what: what, total: int64(total)}
}

// Bytes makes a line that counts bytes.
func Bytes(out io.Writer, what string) *Line { return &Line{out: out, what: what, bytes: true} }

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
		)
	}
	if l.bar.GetMax64() != total {
		l.bar.ChangeMax64(total)
	}
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
