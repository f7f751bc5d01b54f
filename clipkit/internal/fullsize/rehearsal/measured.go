package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"clipnb/clipkit/experiment"
)

// measured is a row of the table.
type measured struct {
	told   promise
	left   time.Duration // as the line of progress said after the second step
	stops  []time.Duration
	memory int64
	disk   int64
	steps  []float64 // seconds
}

// promise is what was said before the first step.
type promise struct {
	steps        int
	all          time.Duration
	memory, disk float64 // GB
}

const head = `| recipe | in parts of | a step, s | told before it, s | left, told after two steps | by the measured step | Ctrl-C to saved and gone, s | most memory, GB | told | run's folder at most, GB | told |
|---|---|---|---|---|---|---|---|---|---|---|`

func (m measured) row(name string, parts int) string {
	sorted := slices.Sorted(slices.Values(m.steps))
	step := sorted[len(sorted)/2]
	stops := make([]string, len(m.stops))
	for i, s := range m.stops {
		stops[i] = fmt.Sprintf("%.1f", s.Seconds())
	}
	return fmt.Sprintf("| %s | %d | %.0f | %.0f | %.1f h | %.1f h | %s | %.2f | %.1f | %.2f | %.1f |", name, parts, step, m.told.all.Seconds()/float64(m.told.steps), m.left.Hours(),
		step*float64(m.told.steps-len(m.steps))/3600, strings.Join(stops, ", "), float64(m.memory)/1e9, m.told.memory, float64(m.disk)/1e9, m.told.disk)
}

var (
	planLine = regexp.MustCompile(`^about (\S+): (\d+) steps of .*about ([0-9.]+) GB of memory`)
	diskLine = regexp.MustCompile(`^a checkpoint takes .*: ([0-9.]+) GB of the`)
	leftPart = regexp.MustCompile(`, (\S+) left`)
	// a line of progress about the passes of a step
	passLine = regexp.MustCompile(`^training.* of micro-batch \d+/\d+`)
)

// promised reads what the program said before the first step.
func promised(lines []string) (p promise, err error) {
	for _, line := range lines {
		if m := planLine.FindStringSubmatch(line); m != nil {
			if p.all, err = duration(m[1]); err != nil {
				return p, err
			}
			p.steps, _ = strconv.Atoi(m[2])
			p.memory, _ = strconv.ParseFloat(m[3], 64)
		}
		if m := diskLine.FindStringSubmatch(line); m != nil {
			p.disk, _ = strconv.ParseFloat(m[1], 64)
		}
	}
	if p.steps == 0 || p.memory == 0 || p.disk == 0 {
		return p, fmt.Errorf("the program did not say what the run takes before its first step; it said\n%s", strings.Join(lines[:min(20, len(lines))], "\n"))
	}
	return p, nil
}

// left is what the last line of progress said.
func left(lines []string) (time.Duration, error) {
	for _, line := range slices.Backward(lines) {
		if m := leftPart.FindStringSubmatch(line); m != nil && passLine.MatchString(line) {
			return duration(m[1])
		}
	}
	return 0, fmt.Errorf("no line of progress said how long the run still takes; the last was %q", lines[len(lines)-1])
}

// begun tells whether a step's passes are told of.
func begun(lines []string) bool { return slices.ContainsFunc(lines, passLine.MatchString) }

var day = regexp.MustCompile(`^(\d+)d(.*)$`)

// duration reads one that was written for a person: time.ParseDuration's form, with days.
func duration(s string) (time.Duration, error) {
	m := day.FindStringSubmatch(s)
	if m == nil {
		return time.ParseDuration(s)
	}
	days, _ := strconv.Atoi(m[1])
	rest, err := time.ParseDuration(m[2])
	return rest + time.Duration(days)*24*time.Hour, err
}

// validated tells whether the run has a validation.
func validated(folder string) bool {
	rows, err := experiment.ReadRows(folder)
	return err == nil && slices.ContainsFunc(rows, func(r experiment.Row) bool { return r.Kind == "valid" })
}
