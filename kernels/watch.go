package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// watched is the output of a long step of the set-up, of which people see a line: how long it has taken, how many parts are done, what it does. In a terminal the
// line is redrawn in its place; elsewhere there is one now and then.
type watched struct {
	doing string
	part  *regexp.Regexp // lines of the output that each stand for a part
	parts int            // in all; 0: not known
	start time.Time

	mu   sync.Mutex
	done int
	rest []byte // of a line that is not whole
	last string // whole line
}

// Redrawn 2 times a second, or a line in 15 seconds.
const (
	redrawEvery = 500 * time.Millisecond
	lineEvery   = 15 * time.Second
)

// Write takes the tool's output.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		at := bytes.IndexAny(w.rest, "\r\n")
		if at < 0 {
			w.rest = w.rest[max(0, len(w.rest)-1<<16):] // a line that never ends
			return len(p), nil
		}
		if text := strings.TrimSpace(string(w.rest[:at])); text != "" {
			w.last = text
			if w.part != nil && w.part.MatchString(text) {
				w.done++
			}
		}
		w.rest = w.rest[at+1:]
	}
}

// state is the line now, at most width columns wide.
func (w *watched) state(now time.Time, width int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("      %s: %.0f s", w.doing, now.Sub(w.start).Seconds())
	switch {
	case w.parts > 0:
		text += fmt.Sprintf(", %d of %d", min(w.done, w.parts), w.parts)
	case w.part != nil && w.done > 0:
		text += fmt.Sprintf(", %d done", w.done)
	}
	if w.last != "" {
		text += ": " + printable(w.last)
	}
	if utf8.RuneCountInString(text) > width {
		text = string([]rune(text)[:width-1]) + "…"
	}
	return text
}

// printable leaves out what would move a terminal's cursor or colour it, and what takes more than one column.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > 0x2fff || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

// follow shows w on out until stop is called, which waits for the last line.
func (w *watched) follow(out io.Writer) (stop func()) {
	every, width, begin, end := lineEvery, 100, "", "\n"
	if n := columns(out); n > 0 {
		every, width, begin, end = redrawEvery, max(20, n)-1, "\r\x1b[K", ""
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				fmt.Fprint(out, begin+w.state(now, width)+end)
			case <-quit:
				fmt.Fprint(out, begin)
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}
