package chart

import (
	"math"
	"slices"

	"clipnb/clipkit/chart/svg"
)

// Timing is how long one model takes with one engine, in milliseconds for one picture and for one text: the mean of many runs, or a row
// of a published table. 0 stands for what was not timed.
type Timing struct {
	Model, Engine string
	Image, Text   float64
	Published     bool // drawn as an outline, see [Named]
}

// Latency compares timings: two groups for each model, of its pictures and of its texts, in each one bar for each engine. Of several
// timings with the same model, engine and origin the last one counts.
func Latency(timings ...Timing) *Chart {
	c := bars{
		title:  label{"延迟", "Latency"},
		axis:   label{"毫秒/样本", "ms per sample"},
		groups: label{"模型", "model"},
		digits: 2,
	}
	var models []string
	for _, t := range timings {
		if !slices.Contains(models, t.Model) {
			models = append(models, t.Model)
			name := svg.Fit(t.Model, 12)
			c.categories = append(c.categories, label{name + "\n图 image", name + "\nimage"}, label{name + "\n文 text", name + "\ntext"})
		}
	}
	for _, t := range timings {
		i := slices.IndexFunc(c.series, func(s barSeries) bool { return s.model == t.Engine && s.published == t.Published })
		if i < 0 {
			i = len(c.series)
			c.add(t.Engine, t.Published, slices.Repeat([]float64{math.NaN()}, len(c.categories)))
		}
		at := 2 * slices.Index(models, t.Model)
		for j, v := range []float64{t.Image, t.Text} {
			if v != 0 {
				c.series[i].values[at+j] = c.checked(v)
			}
		}
	}
	return c.chart()
}
