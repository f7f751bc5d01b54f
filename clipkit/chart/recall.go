package chart

import (
	"math"
	"strings"

	"clipnb/clipkit/experiment"
)

// Named is the retrieval result of one model: before finetuning, after it, or a published row.
type Named struct {
	Name        string
	TextToImage experiment.Recall
	ImageToText experiment.Recall
}

// bars is a chart of percentages: one group for each category, in it one bar for each name.
type bars struct {
	title      label
	axis       label
	categories []label
	names      []string
	values     [][]float64 // [name][category]; NaN: no bar
}

// RecallBars compares recalls in percent: R@1, R@5 and R@10 in both directions, in each group one bar for each name.
func RecallBars(named ...Named) *Chart {
	c := bars{
		title: label{"召回率", "Recall"},
		axis:  label{"召回率 (%)", "recall (%)"},
		categories: []label{
			{"文→图 R@1", "text→image R@1"}, {"文→图 R@5", "text→image R@5"}, {"文→图 R@10", "text→image R@10"},
			{"图→文 R@1", "image→text R@1"}, {"图→文 R@5", "image→text R@5"}, {"图→文 R@10", "image→text R@10"},
		},
	}
	out := &Chart{title: c.title}
	if len(named) == 0 {
		return out
	}
	dropped := 0
	for i, n := range named {
		t, m := n.TextToImage, n.ImageToText
		values := []float64{t.R1, t.R5, t.R10, m.R1, m.R5, m.R10}
		for j := range values {
			if !drawable(values[j]) {
				values[j] = math.NaN()
				dropped++
			}
		}
		c.names = append(c.names, n.Name)
		c.values = append(c.values, values)
		out.legend = append(out.legend, mark{palette[i%len(palette)], 1, n.Name})
	}
	out.notes = droppedNote(dropped)
	out.alt = "Recall of " + strings.Join(c.names, ", ")
	out.option = c.option()
	out.static = c.static()
	return out
}
