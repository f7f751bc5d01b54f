package chart

import (
	"fmt"
	"strings"

	"clipnb/clipkit/chart/plain"
	"clipnb/clipkit/chart/svg"
	"clipnb/clipkit/experiment"
)

// Colours that differ in hue and lightness and can be read on white and on near-black.
var palette = []string{"#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#64748b"}

// curve is one line of a chart.
type curve struct {
	name    label
	colour  string
	faint   bool       // raw values under a smoothed line
	stroke  svg.Stroke // validation is dashed, a second quantity dotted
	right   bool       // belongs to the right value axis
	letter  string     // stands at its end; of a run among several
	points  []point
	dropped int
}

func (l curve) opacity() float32 {
	if l.faint {
		return 0.4
	}
	return 1
}

// curves is a chart over optimizer steps, with one or two value axes.
type curves struct {
	title label
	axes  []label // left, right; with units
	lines []curve
}

// Loss draws the contrastive loss: of each logged training step, smoothed over a thirtieth of the run, and of the validation split.
func Loss(rows []experiment.Row) *Chart {
	loss := func(r experiment.Row) (float64, bool) { return r.Loss, true }
	train := line("训练", "train", palette[0], rows, "train", loss)
	valid := line("验证", "validation", palette[1], rows, "valid", loss)
	valid.stroke = svg.Dashed
	c := curves{title: label{"训练损失", "Training loss"}, axes: []label{{"损失 (nat)", "loss (nats)"}}}
	if n := len(train.points); n >= 20 {
		window := max(5, n/30)
		train.faint = true
		mean := curve{
			name:   label{"训练（平滑）", fmt.Sprintf("train, smoothed over %d rows", window)},
			colour: palette[0], stroke: svg.Solid, points: smooth(train.points, window),
		}
		c.lines = []curve{train, mean, valid}
	} else {
		c.lines = []curve{train, valid}
	}
	return c.chart()
}

// LearningRate draws the learning rate of each logged step.
func LearningRate(rows []experiment.Row) *Chart {
	return curves{
		title: label{"学习率", "Learning rate"},
		axes:  []label{{"学习率", "learning rate"}},
		lines: []curve{line("学习率", "learning rate", palette[0], rows, "train",
			func(r experiment.Row) (float64, bool) { return r.LR, true })},
	}.chart()
}

// Accuracy draws in-batch accuracies in percent: the share of a batch's pictures whose own text scores highest, and the other way round.
// It depends on the batch size and is not recall. A run that logs no training accuracy has validation lines only.
func Accuracy(rows []experiment.Row) *Chart {
	reported := map[string]bool{}
	for _, r := range rows {
		if r.ImageToTextAcc != 0 || r.TextToImageAcc != 0 {
			reported[r.Kind] = true
		}
	}
	imageToText := func(r experiment.Row) (float64, bool) { return r.ImageToTextAcc, reported[r.Kind] }
	textToImage := func(r experiment.Row) (float64, bool) { return r.TextToImageAcc, reported[r.Kind] }
	c := curves{
		title: label{"批内准确率", "In-batch accuracy"},
		axes:  []label{{"准确率 (%)", "accuracy (%)"}},
		lines: []curve{
			line("训练 图→文", "train image→text", palette[0], rows, "train", imageToText),
			line("训练 文→图", "train text→image", palette[2], rows, "train", textToImage),
			line("验证 图→文", "validation image→text", palette[1], rows, "valid", imageToText),
			line("验证 文→图", "validation text→image", palette[3], rows, "valid", textToImage),
		},
	}
	c.lines[1].stroke, c.lines[2].stroke, c.lines[3].stroke = svg.Dotted, svg.Dashed, svg.Dashed
	return c.chart()
}

// Recall draws the true recall of the validation split in percent, where a run measures it: R@1 and the mean of R@1, R@5 and R@10 in both
// directions. [RecallBars] compares finished models.
func Recall(rows []experiment.Row) *Chart {
	of := func(recall func(experiment.Row) *experiment.Recall, part func(experiment.Recall) float64) func(experiment.Row) (float64, bool) {
		return func(r experiment.Row) (float64, bool) {
			if recall(r) == nil {
				return 0, false
			}
			return part(*recall(r)), true
		}
	}
	textToImage := func(r experiment.Row) *experiment.Recall { return r.TextToImage }
	imageToText := func(r experiment.Row) *experiment.Recall { return r.ImageToText }
	first := func(r experiment.Recall) float64 { return r.R1 }
	mean := func(r experiment.Recall) float64 { return r.Mean }
	c := curves{
		title: label{"验证集召回率", "Validation recall"},
		axes:  []label{{"召回率 (%)", "recall (%)"}},
		lines: []curve{
			line("文→图 R@1", "text→image R@1", palette[0], rows, "valid", of(textToImage, first)),
			line("图→文 R@1", "image→text R@1", palette[1], rows, "valid", of(imageToText, first)),
			line("文→图 平均", "text→image mean", palette[2], rows, "valid", of(textToImage, mean)),
			line("图→文 平均", "image→text mean", palette[3], rows, "valid", of(imageToText, mean)),
		},
	}
	c.lines[2].stroke, c.lines[3].stroke = svg.Dashed, svg.Dashed
	return c.chart()
}

// Throughput draws pairs per second and, where the machine's peak is known, the share of it in percent. A zero means that a row
// doesn't know the quantity, and is left out.
func Throughput(rows []experiment.Row) *Chart {
	rate := line("速度", "images/s", palette[0], rows, "train",
		func(r experiment.Row) (float64, bool) { return r.ImagesPerSecond, r.ImagesPerSecond != 0 })
	share := line("峰值占比", "share of peak", palette[1], rows, "train",
		func(r experiment.Row) (float64, bool) { return 100 * r.PeakShare, r.PeakShare != 0 })
	c := curves{title: label{"吞吐量", "Throughput"}, axes: []label{{"图/秒", "images/s"}}, lines: []curve{rate}}
	if len(share.points)+share.dropped > 0 {
		share.right, share.stroke = true, svg.Dotted
		c.axes = append(c.axes, label{"峰值占比 (%)", "share of peak (%)"})
		c.lines = append(c.lines, share)
	}
	return c.chart()
}

func line(zh, en, colour string, rows []experiment.Row, kind string, value func(experiment.Row) (float64, bool)) curve {
	points, dropped := pick(rows, kind, value)
	return curve{name: label{zh, en}, colour: colour, stroke: svg.Solid, points: points, dropped: dropped}
}

// chart leaves out empty lines, thins long ones and draws the rest twice.
func (c curves) chart() *Chart {
	out := &Chart{title: c.title, curves: &c}
	drawn := c
	drawn.lines = nil
	dropped, thinned := 0, 0
	var words, text []string
	for _, l := range c.lines {
		dropped += l.dropped
		n := len(l.points)
		if n == 0 {
			continue
		}
		if n > livePoints {
			thinned = max(thinned, n)
		}
		words = append(words, fmt.Sprintf("%s: %.4g → %.4g (%d)", l.name.en, l.points[0].y, l.points[n-1].y, n))
		values := make([]float64, n)
		for i, p := range l.points {
			values[i] = p.y
		}
		text = append(text, fmt.Sprintf("%s: %.4g → %.4g  %s", plain.Line(l.name.String(), 60), values[0], values[n-1], plain.Spark(values, 20)))
		l.points = thin(l.points, livePoints)
		drawn.lines = append(drawn.lines, l)
		out.legend = append(out.legend, mark{colour: l.colour, opacity: l.opacity(), name: l.name.String(), shape: l.stroke.Shape()})
	}
	out.notes = droppedNote(dropped)
	if thinned > 0 {
		out.notes = append(out.notes, fmt.Sprintf("每段只绘最小值与最大值 · drawn as the lowest and highest of each stretch of %d rows", (thinned+livePoints/2-1)/(livePoints/2)))
	}
	if len(drawn.lines) == 0 {
		return out
	}
	out.alt = c.title.en + ". " + strings.Join(words, "; ")
	out.text = strings.Join(text, "\n")
	out.option = drawn.option(out.legend)
	out.live = live{Height: height(out.legend)}
	out.static = drawn.static()
	return out
}

// static draws one picture for each value axis, since svg.Lines has one.
func (c curves) static() []*svg.Drawing {
	var pictures []*svg.Drawing
	for i, name := range c.axes {
		var lines []svg.Line
		for _, l := range c.lines {
			if l.right != (i == 1) {
				continue
			}
			points := coordinates(thin(l.points, staticPoints))
			lines = append(lines, svg.Line{Points: points, Colour: l.colour, Opacity: l.opacity(), Width: 1.5, Stroke: l.stroke, Dots: len(points) <= 40, Letter: l.letter})
		}
		pictures = append(pictures, svg.Lines("optimizer step", name.en, lines))
	}
	return pictures
}
