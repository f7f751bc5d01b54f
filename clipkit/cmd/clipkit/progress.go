package main

import (
	"io"

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
