package chart

import "clipnb/clipkit/experiment"

// Named is the retrieval result of one model: before finetuning, after it, or a row of a published table.
type Named struct {
	Name        string
	TextToImage experiment.Recall
	ImageToText experiment.Recall
	Published   bool // drawn as an outline; under the same Name as a measured result it has that one's letter and colour
}

// RecallBars compares recalls in percent: R@1, R@5 and R@10 in both directions, in each group one bar for each result. Measured
// results are full bars, published ones outlines, and each model has a letter. What
// is NaN has no bar.
func RecallBars(named ...Named) *Chart {
	c := bars{
		title:  label{"召回率", "Recall"},
		axis:   label{"召回率 (%)", "recall (%)"},
		digits: 1,
		groups: label{"文→图 text→image", "图→文 image→text"},
		categories: []label{
			{"文→图 R@1", "text→image R@1"}, {"文→图 R@5", "text→image R@5"}, {"文→图 R@10", "text→image R@10"},
			{"图→文 R@1", "image→text R@1"}, {"图→文 R@5", "image→text R@5"}, {"图→文 R@10", "image→text R@10"},
		},
	}
	for _, n := range named {
		t, i := n.TextToImage, n.ImageToText
		values := []float64{t.R1, t.R5, t.R10, i.R1, i.R5, i.R10}
		for j, v := range values {
			values[j] = c.checked(v)
		}
		c.add(n.Name, n.Published, values)
	}
	return c.chart()
}
