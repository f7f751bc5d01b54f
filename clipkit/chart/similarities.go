package chart

import (
	"fmt"
	"math"
	"strings"

	"clipnb/clipkit/chart/option"
	"clipnb/clipkit/chart/svg"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// Bins counts similarities: From and To bound the first and the last of the bins, all equally wide.
type Bins struct {
	From, To float64
	Matching []int // pairs of a picture and its own text
	Other    []int // all other pairs
}

// Similarities draws how the scores of matching and of other pairs are spread, in 50 bins, and the threshold chosen between them; NaN
// for none. Each curve is percent of its own pairs: of the other ones there are many more.
func Similarities(matching, other []float64, threshold float64) *Chart {
	low, high, dropped := math.Inf(1), math.Inf(-1), 0
	for _, scores := range [][]float64{matching, other} {
		for _, s := range scores {
			if !drawable(s) {
				dropped++
				continue
			}
			low, high = min(low, s), max(high, s)
		}
	}
	b := Bins{From: low, To: high}
	if high == low {
		b.From, b.To = low-0.5, high+0.5
	}
	count := func(scores []float64) []int {
		counts := make([]int, 50)
		for _, s := range scores {
			if drawable(s) {
				counts[min(49, max(0, int(50*((s-b.From)/(b.To-b.From)))))]++
			}
		}
		return counts
	}
	if low <= high {
		b.Matching, b.Other = count(matching), count(other)
	}
	c := SimilarityBins(b, threshold)
	c.notes = append(c.notes, droppedNote(dropped)...)
	return c
}

// SimilarityBins is [Similarities] of scores that are counted already, which is the way for millions of pairs.
func SimilarityBins(b Bins, threshold float64) *Chart {
	out := &Chart{title: label{"匹配与不匹配图文对的相似度", "Similarity of matching and other pairs"}}
	if !drawable(b.From) || !drawable(b.To) || b.To <= b.From {
		return out
	}
	matching := spread{label{"匹配", "matching pairs"}, palette[0], svg.Solid, b.Matching, b}
	other := spread{label{"其他", "other pairs"}, palette[1], svg.Dashed, b.Other, b}
	var drawn []spread
	var said []string
	for _, s := range []spread{matching, other} {
		if s.total() > 0 {
			drawn = append(drawn, s)
			said = append(said, fmt.Sprintf("%s: %d", s.name, s.total()))
			out.legend = append(out.legend, mark{colour: s.colour, opacity: 1, name: s.name.String(), shape: s.stroke.Shape()})
		}
	}
	if len(drawn) == 0 {
		return out
	}
	if drawable(threshold) {
		said = append(said, fmt.Sprintf("阈值 · threshold: %.4g", threshold))
	} else {
		threshold = math.NaN()
	}
	out.notes = []string{strings.Join(said, "; ")}
	out.alt = "Histogram of similarities"
	out.option = spreadOption(drawn, threshold, out.legend)
	out.live = live{Height: height(out.legend)}
	out.static = []*svg.Drawing{spreadStill(drawn, threshold)}
	return out
}

// spread is one outline of a histogram.
type spread struct {
	name   label
	colour string
	stroke svg.Stroke
	counts []int
	bins   Bins
}

func (s spread) total() (n int) {
	for _, c := range s.counts {
		n += max(0, c)
	}
	return n
}

// outline walks over the bins' edges: left and right end of each top, percent of the total.
func (s spread) outline() []point {
	total, n := float64(s.total()), float64(len(s.counts))
	edge := func(i int) float64 { return s.bins.From + (s.bins.To-s.bins.From)*float64(i)/n }
	points := []point{{edge(0), 0}}
	for i, c := range s.counts {
		y := 100 * float64(max(0, c)) / total
		points = append(points, point{edge(i), y}, point{edge(i + 1), y})
	}
	return append(points, point{edge(len(s.counts)), 0})
}

var (
	spreadX = label{"相似度", "similarity"}
	spreadY = label{"占该类图文对 (%)", "share of these pairs (%)"}
)

func spreadOption(drawn []spread, threshold float64, legend []mark) []byte {
	chart := &charts.Line{}
	option.Start(&chart.BaseConfiguration)
	chart.SetGlobalOptions(common("item", legend)...)
	chart.SetGlobalOptions(
		charts.WithXAxisOpts(opts.XAxis{
			Type: "value", Name: spreadX.String(), NameLocation: "middle", NameGap: 30, Scale: opts.Bool(true), SplitLine: &opts.SplitLine{Show: opts.Bool(false)},
		}),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Name: spreadY.String(), Position: "left", AxisLine: atEdge}),
	)
	for i, s := range drawn {
		var data []opts.LineData
		for _, p := range s.outline() {
			data = append(data, opts.LineData{Value: [2]float64{round(p.x), round(p.y)}})
		}
		settings := []charts.SeriesOpts{
			charts.WithLineChartOpts(opts.LineChart{Symbol: "circle", SymbolSize: 4, ShowSymbol: opts.Bool(false)}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: s.colour}),
			charts.WithLineStyleOpts(opts.LineStyle{Color: s.colour, Width: 2, Type: string(s.stroke)}),
			charts.WithAreaStyleOpts(opts.AreaStyle{Color: s.colour, Opacity: opts.Float(0.18)}),
		}
		if i == 0 && !math.IsNaN(threshold) {
			settings = append(settings,
				charts.WithMarkLineNameXAxisItemOpts(opts.MarkLineNameXAxisItem{Name: "threshold", XAxis: threshold}),
				charts.WithMarkLineStyleOpts(opts.MarkLineStyle{
					Symbol:    []string{"none", "none"},
					Label:     &opts.Label{Show: opts.Bool(true), Formatter: fmt.Sprintf("阈值 · threshold %.4g", threshold), Color: "#dc2626"},
					LineStyle: &opts.LineStyle{Color: "#dc2626", Width: 2, Type: "solid"},
				}))
		}
		chart.AddSeries(s.name.String(), data, settings...)
	}
	return option.Encode(option.Whole(&chart.BaseConfiguration))
}

func spreadStill(drawn []spread, threshold float64) *svg.Drawing {
	var lines []svg.Line
	top := 0.0
	for _, s := range drawn {
		points := coordinates(s.outline())
		for _, p := range points {
			top = max(top, p[1])
		}
		lines = append(lines, svg.Line{Points: points, Colour: s.colour, Opacity: 1, Width: 1.5, Stroke: s.stroke, Fill: 0.18})
	}
	if !math.IsNaN(threshold) {
		lines = append(lines, svg.Line{Points: [][2]float64{{threshold, 0}, {threshold, top}}, Colour: "#dc2626", Opacity: 1, Width: 2})
	}
	return svg.Lines(spreadX.en, spreadY.en, lines)
}
