package chart

import (
	"strings"

	"clipnb/clipkit/chart/svg"
	"clipnb/clipkit/experiment"
)

// Run is one run's rows under a name, for [Overlay].
type Run struct {
	Name string
	Rows []experiment.Row
}

// Overlay draws one quantity of several runs into one chart; draw is [Loss], [LearningRate], [Accuracy], [Recall] or
// [Throughput]:
//
//	chart.Overlay(chart.Loss, chart.Run{Name: "lr 1e-5", Rows: a}, chart.Run{Name: "lr 5e-5", Rows: b})
//
// Each run has a colour and a letter, which ends its lines. Where a smoothed line exists, the raw one is left out.
func Overlay(draw func([]experiment.Row) *Chart, runs ...Run) *Chart {
	var all curves
	for i, run := range runs {
		one := draw(run.Rows)
		if one.curves == nil {
			return one // not a chart over steps: there is nothing to lay over another
		}
		if len(one.curves.axes) > len(all.axes) { // a run that doesn't know its share of peak has one axis, another two
			all.axes = one.curves.axes
		}
		all.title = one.curves.title
		hidden := 0
		for _, l := range one.curves.lines {
			if l.faint {
				hidden = l.dropped
				continue
			}
			l.dropped, hidden = l.dropped+hidden, 0
			l.letter = letter(i)
			l.name = label{"", strings.TrimSpace(l.letter + " " + svg.Fit(run.Name, 24) + ": " + l.name.String())}
			l.colour = palette[i%len(palette)]
			all.lines = append(all.lines, l)
		}
	}
	return all.chart()
}
