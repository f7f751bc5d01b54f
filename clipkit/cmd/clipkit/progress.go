package main

import (
	"fmt"
	"io"
	"time"

	"clipnb/clipkit/internal/progress"
)

// perSplit is a line of progress for each split, one after the other.
type perSplit struct {
	out         io.Writer
	what, split string
	line        *progress.Line
}

func (p *perSplit) set(split string, done, total int) {
	if p.line == nil || p.split != split {
		p.finish()
		p.split, p.line = split, progress.New(p.out, split+": "+p.what, 0)
	}
	p.line.Of(done, total)
}

func (p *perSplit) finish() {
	p.line.Finish()
	p.line = nil
}

// slow says what is being done where it takes longer than two seconds and has no progress of its own; stop is called when it is done.
func slow(out io.Writer, doing, what string) (stop func()) {
	t := time.AfterFunc(2*time.Second, func() { fmt.Fprintln(out, doing, what) })
	return func() { t.Stop() }
}
