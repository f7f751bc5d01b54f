package recipe

import (
	"fmt"
	"strings"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// String is the recipe in lines of text.
func (r Recipe) String() string {
	var b strings.Builder
	b.WriteString(r.Name + "\n")
	for _, l := range r.lines() {
		fmt.Fprintf(&b, "  %-9s%s\n", l.en, l.text)
	}
	return b.String()
}

// Promise is the recipe in two lines: what it takes, and what it reaches.
func (r Recipe) Promise() string {
	reaches := "not measured"
	if len(r.Reaches) > 0 {
		reaches = r.Reaches[0].String()
	}
	if r.Speed != "" {
		reaches += "; " + r.Speed
	}
	return r.needs() + "\n" + reaches
}

// HTML is the recipe as a table (chart.Figure).
func (r Recipe) HTML() string { return r.table().HTML() }

// Still is the table as a picture, for whoever shows no HTML.
func (r Recipe) Still() []byte {
	picture, _ := r.table().(interface{ Still() []byte }) // which every table is
	return picture.Still()
}

func (r Recipe) table() chart.Figure {
	var rows [][]string
	for _, l := range r.lines() {
		rows = append(rows, []string{l.zh + " · " + l.en, l.text})
	}
	return chart.Table([]string{"配方 · recipe", r.Name}, rows)
}

type line struct{ zh, en, text string }

func (r Recipe) lines() []line {
	speed := r.Speed
	if speed == "" {
		speed = "not measured"
	}
	out := []line{{"需要", "needs", r.needs()}, {"步骤", "does", r.does()}, {"速度", "speed", speed}}
	for _, reached := range r.Reaches {
		out = append(out, line{"结果", "reaches", reached.String()})
	}
	if len(r.Reaches) == 0 {
		out = append(out, line{"结果", "reaches", "not measured"})
	}
	out = append(out, line{"出处", "from", r.Source})
	for _, n := range r.Notes {
		out = append(out, line{"注意", "note", n})
	}
	return out
}

func (r Recipe) needs() string {
	weights, data := "weights "+r.Weights, "data set "+r.Data
	if r.Weights == "" {
		weights = "no weights: " + r.Architecture + " begins at random"
	}
	switch {
	case r.Data == "":
		data = "pictures and captions of your own"
	case r.Pairs > 0:
		data += fmt.Sprintf(" (%d pairs)", r.Pairs)
	}
	return fmt.Sprintf("%s; %s; about %.1f GB of memory (estimated for cpu)", weights, data, float64(r.Memory())/1e9)
}

func (r Recipe) does() string {
	c := r.Config
	step := fmt.Sprintf("steps of %d pairs", r.PairsPerStep())
	if r.Pairs > 0 {
		step = fmt.Sprintf("%d %s", train.TotalSteps(r.Pairs, c), step)
	}
	switch {
	case c.WorldSize > 1 && c.AccumFreq > 1:
		step += fmt.Sprintf(" (%d batches of %d on each of %d devices, or on fewer one after another)", c.AccumFreq, c.BatchSize, c.WorldSize)
	case c.WorldSize > 1:
		step += fmt.Sprintf(" (%d batches of %d on as many devices, or on fewer one after another)", c.WorldSize, c.BatchSize)
	case c.AccumFreq > 1:
		step += fmt.Sprintf(" (%d batches of %d one after another)", c.AccumFreq, c.BatchSize)
	}
	if c.MicroBatch > 0 {
		step += fmt.Sprintf(", batches in parts of %d", c.MicroBatch)
	}
	epochs := fmt.Sprintf("%d epochs", c.MaxEpochs)
	if c.MaxEpochs == 1 {
		epochs = "1 epoch"
	}
	text := fmt.Sprintf("%s, %s, lr %g after %d steps of warm-up, weight decay %g, augmentation %s", epochs, step, c.LR, c.Warmup, c.WeightDecay, c.Augment)
	for _, more := range []struct {
		is   bool
		text string
	}{
		{c.MaskRatio > 0, fmt.Sprintf("mask ratio %g", c.MaskRatio)},
		{c.KDLossWeight > 0, fmt.Sprintf("a teacher with weight %g", c.KDLossWeight)},
		{c.Recompute, "blocks recomputed for their gradients"},
		{c.Patience > 0, fmt.Sprintf("ends after %d validations without a better %s", c.Patience, c.BestMetric)},
	} {
		if more.is {
			text += ", " + more.text
		}
	}
	return text
}

// String is a result in one line, percent.
func (r Reach) String() string {
	text := r.What + ":"
	for _, way := range []struct {
		name   string
		recall experiment.Recall
	}{{"text→image", r.TextToImage}, {"image→text", r.ImageToText}} {
		var parts []string
		for _, v := range []struct {
			name  string
			value float64
		}{{"R@1", way.recall.R1}, {"R@5", way.recall.R5}, {"R@10", way.recall.R10}, {"mean", way.recall.Mean}} {
			if v.value > 0 {
				parts = append(parts, fmt.Sprintf("%s %g", v.name, v.value))
			}
		}
		if parts != nil {
			text += " " + way.name + " " + strings.Join(parts, ", ") + ";"
		}
	}
	return strings.TrimSuffix(text, ";") + " (" + r.Source + ")"
}
