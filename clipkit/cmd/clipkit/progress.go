package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is one line on standard error: how far, how fast, how long still. The line is not begun before the first report.
type progress struct {
	out  io.Writer
	what string
	more []progressbar.Option
	bar  *progressbar.ProgressBar
}

func newProgress(out io.Writer, what string, more ...progressbar.Option) *progress {
	return &progress{out: out, what: what, more: more}
}

// set reports how much is done; a total of 0 is not known yet.
func (p *progress) set(done, total int64) {
	if total <= 0 {
		total = -1
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total, append([]progressbar.Option{
			progressbar.OptionSetDescription(p.what),
			progressbar.OptionSetWriter(p.out),
			progressbar.OptionThrottle(250 * time.Millisecond),
			progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(16),
			progressbar.OptionUseANSICodes(false),
		}, p.more...)...)
	}
	if p.bar.GetMax64() != total {
		p.bar.ChangeMax64(total)
	}
	_ = p.bar.Set64(done) // fails only beyond the total
}

// finish ends the line.
func (p *progress) finish() {
	if p.bar != nil {
		fmt.Fprintln(p.out)
	}
}

// perSplit is such a line for each split, one after the other.
type perSplit struct {
	out         io.Writer
	what, split string
	line        *progress
}

func (p *perSplit) set(split string, done, total int) {
	if p.line == nil || p.split != split {
		p.finish()
		p.split, p.line = split, newProgress(p.out, split+": "+p.what)
	}
	p.line.set(int64(done), int64(total))
}

func (p *perSplit) finish() {
	if p.line != nil {
		p.line.finish()
		p.line = nil
	}
}
