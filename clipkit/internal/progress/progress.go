// Package progress is the line on standard error that says of long work how far it is, how fast and how long it still takes.
//
//	bar := progress.New(os.Stderr, "encoding test", len(pictures))
//	bar.Of(done, 0) // … after every one
//	bar.Finish()
//
// In a terminal the line is drawn again in its place, never wider than the terminal: 80 columns where nobody says how wide that is (COLUMNS does, in cells
// that "kernels exec" runs). In a notebook it is an output of its own that is replaced, not a text on the red ground of standard error. In a file, a pipe
// or what a launcher passes on there is a line now and then.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
	"golang.org/x/term"
)

// Line is one such line. It is not begun before the first report. A nil Line says nothing.
type Line struct {
	out   io.Writer
	what  string
	total int64
	bytes bool
	whole bool              // lines now and then, not one that is drawn again
	place func(text string) // in a notebook: replaces the output
	own   bool              // Left tells how long it still takes
	left  time.Duration

	now      func() time.Time
	from     time.Time // Late: nothing is said before
	begun    time.Time // of the first report; zero: there was none
	done, of int64     // what was reported last
	drawn    time.Time
	shown    string // what was drawn last
	costs    []cost // of work whose parts differ (Then); nil: all are alike
	speed    recently
}

const (
	interval = 250 * time.Millisecond // between two drawings, at least
	patience = 15 * time.Second       // between two whole lines, and before the second one
)

// New makes a line about what is being done, total times in all; 0 leaves that to Set. Nothing is written yet.
func New(out io.Writer, what string, total int) *Line {
	l := &Line{out: out, what: what, total: int64(total), now: time.Now}
	switch f, ok := out.(*os.File); {
	case ok && f == os.Stderr && gonbui.IsNotebook:
		id := gonbui.UniqueId()
		l.place = func(text string) {
			gonbui.SendData(&protocol.DisplayData{Data: map[protocol.MIMEType]any{protocol.MIMETextPlain: text}, DisplayID: id})
		}
	case ok:
		l.whole = !term.IsTerminal(int(f.Fd()))
	}
	return l
}

// Compiling says at once that the work begins: its first report comes after the model has been compiled for it, which takes a while.
func (l *Line) Compiling() *Line {
	if l != nil && !l.whole {
		l.show(cut(l.what, l.room()-len(": compiling")) + ": compiling")
	}
	return l
}

// Bytes makes a line that counts bytes.
func Bytes(out io.Writer, what string) *Line {
	l := New(out, what, 0)
	l.bytes = true
	return l
}

// Whole has the line come as whole lines now and then, for a process whose output a launcher passes on.
func (l *Line) Whole() *Line {
	if l != nil {
		l.whole = true
	}
	return l
}

// Late keeps the line back for a second: work that is done sooner says nothing.
func (l *Line) Late() *Line {
	if l != nil {
		l.from = l.now().Add(time.Second)
	}
	return l
}

// Set reports how much is done; a total of 0 is not known yet. A total that New was given stands.
func (l *Line) Set(done, total int64) {
	if l == nil {
		return
	}
	now := l.now()
	if l.begun.IsZero() && now.Before(l.from) {
		return
	}
	if l.total > 0 {
		total = l.total
	}
	if l.begun.IsZero() {
		l.begun = now
	}
	l.done, l.of = done, max(0, total)
	l.tellLeft(now)
	every := interval
	if l.whole {
		every = patience
	}
	if now.Sub(l.drawn) >= every || !l.whole && done == total {
		l.draw(now)
	}
}

// Of reports samples, as Set does.
func (l *Line) Of(done, total int) { l.Set(int64(done), int64(total)) }

// Describe changes what is being done, from the next report on.
func (l *Line) Describe(what string) {
	if l != nil {
		l.what = what
	}
}

// Left says how long the work still takes, in place of the line's own guess from what this process has done. It is called before the first report, and
// again before others; 0 is not known yet.
func (l *Line) Left(d time.Duration) {
	if l != nil {
		l.own, l.left = true, d
	}
}

// Finish draws what was reported last, and ends the line.
func (l *Line) Finish() {
	switch {
	case l == nil || l.shown == "":
		return
	case l.begun.IsZero(): // there was nothing to do: what was said before is taken back
		l.show("")
	case l.text() != l.shown:
		l.draw(l.now())
	}
	switch {
	case l.place != nil:
		gonbui.Sync()
	case l.shown == "":
		fmt.Fprint(l.out, "\r")
		standing.Store(false)
	case l.whole, l.out == os.Stderr && !standing.Swap(false):
	default:
		fmt.Fprintln(l.out)
	}
}

// standing is whether a line that is drawn again stands on standard error, not ended.
var standing atomic.Bool

// Say writes a line of text to standard error, or in a notebook, where that is for what went wrong, to standard output. If a line of progress stands there
// it is ended, and drawn again below by its next report.
func Say(text string) {
	if gonbui.IsNotebook {
		fmt.Println(text)
		return
	}
	if standing.Swap(false) {
		text = "\n" + text
	}
	fmt.Fprintln(os.Stderr, text)
}

func (l *Line) draw(now time.Time) {
	l.drawn = now
	l.show(l.text())
}

func (l *Line) show(text string) {
	before := columns(l.shown)
	l.shown = text
	switch {
	case l.place != nil:
		l.place(l.shown)
		return
	case l.whole:
		fmt.Fprintln(l.out, l.shown)
		return
	}
	blanks := strings.Repeat(" ", max(0, before-columns(l.shown))) // over the end of what was there
	fmt.Fprint(l.out, "\r"+l.shown+blanks)
	if l.out == os.Stderr {
		standing.Store(true)
	}
}
