package chart

import (
	"fmt"
	"slices"

	"clipnb/clipkit/chart/option"
	"clipnb/clipkit/chart/svg"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// How many points a map has, and how many of them have a picture in their tooltip.
const (
	maxPoints     = 20_000
	maxThumbnails = 2000
)

// pointShapes mark the kinds. Their number and the palette's have no common factor, so 30 kinds differ.
var pointShapes = []svg.Shape{svg.Circle, svg.Triangle, svg.Diamond, svg.Cross, svg.Star}

// Map draws embeddings that were projected to the plane (clipnb/clipkit/projection does it): points [n, 2]. kinds names each point's
// kind, its class or "picture" and "text": kinds have colours and shapes and can be switched off one by one. pictures gives each point
// its caption and picture, which show beside the pointer. kinds and pictures may be nil.
func Map(points [][2]float64, kinds []string, pictures []Picture) *Chart {
	out := &Chart{title: label{"特征空间", "Embedding space"}}
	if len(points) > maxPoints {
		out.notes = append(out.notes, fmt.Sprintf("只绘前 %d 点 · the first %[1]d of %d points", maxPoints, len(points)))
		points = points[:maxPoints]
	}
	for _, given := range []struct {
		name string
		n    int
	}{{"kinds", len(kinds)}, {"pictures", len(pictures)}} {
		if given.n != 0 && given.n < len(points) {
			out.notes = append(out.notes, fmt.Sprintf("数目与点不符 · %d %s for %d points", given.n, given.name, len(points)))
		}
	}
	var groups []group
	dropped := 0
	for i, p := range points {
		if !drawable(p[0]) || !drawable(p[1]) {
			dropped++
			continue
		}
		kind := "点 · points"
		if i < len(kinds) {
			kind = kinds[i]
		}
		at := slices.IndexFunc(groups, func(g group) bool { return g.kind == kind })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{kind: kind, colour: palette[at%len(palette)], shape: pointShapes[at%len(pointShapes)]})
		}
		caption := ""
		if i < len(pictures) {
			caption = svg.Fit(pictures[i].Caption, 300)
		}
		groups[at].points = append(groups[at].points, mapPoint{p[0], p[1], i, caption})
	}
	out.notes = append(out.notes, droppedNote(dropped)...)
	if len(groups) == 0 {
		return out
	}
	for _, g := range groups {
		out.legend = append(out.legend, mark{colour: g.colour, opacity: 1, name: svg.Fit(g.kind, 24), shape: g.shape})
	}
	uris, broken := thumbnails(pictures[:min(len(pictures), len(points))], 64, maxThumbnails)
	out.notes = append(out.notes, brokenNote(broken)...)
	if uris != nil && len(points) > maxThumbnails {
		out.notes = append(out.notes, fmt.Sprintf("前 %d 点有图片 · the first %[1]d points have pictures", maxThumbnails))
	}
	out.alt = fmt.Sprintf("Map of %d points of %d kinds", len(points)-dropped, len(groups))
	out.option = mapOption(groups, out.legend)
	out.live = live{Height: height(out.legend) + 260, Tips: "point", Canvas: len(points) > 2500, Pictures: uris}
	out.static = []*svg.Drawing{mapStill(groups)}
	return out
}

// group is the points of one kind.
type group struct {
	kind   string
	colour string
	shape  svg.Shape
	points []mapPoint
}

// mapPoint is a point; index is its number among all, by which its picture is found.
type mapPoint struct {
	x, y    float64
	index   int
	caption string
}

func mapOption(groups []group, legend []mark) []byte {
	chart := &charts.Scatter{}
	option.Start(&chart.BaseConfiguration)
	chart.SetGlobalOptions(common("item", legend)...)
	// The axes of a projection have no unit: what lies near what is all there is to see.
	chart.SetGlobalOptions(
		charts.WithXAxisOpts(opts.XAxis{Type: "value", Scale: opts.Bool(true), Show: opts.Bool(false)}),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Scale: opts.Bool(true), Show: opts.Bool(false)}),
		charts.WithDataZoomOpts(opts.DataZoom{Type: "inside", XAxisIndex: 0, FilterMode: "none"}, opts.DataZoom{Type: "inside", YAxisIndex: 0, FilterMode: "none"}),
	)
	for _, g := range groups {
		data := make([]opts.ScatterData, len(g.points))
		for i, p := range g.points {
			data[i] = opts.ScatterData{Name: p.caption, Value: []any{round(p.x), round(p.y), p.index}}
		}
		chart.AddSeries(svg.Fit(g.kind, 24), data,
			charts.WithScatterChartOpts(opts.ScatterChart{Symbol: g.shape.Symbol(), SymbolSize: 9}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: g.colour, Opacity: opts.Float(0.8)}))
	}
	return option.Encode(option.Whole(&chart.BaseConfiguration))
}

// mapStill thins the points of a kind evenly, so that the picture stays small.
func mapStill(groups []group) *svg.Drawing {
	s := &svg.Drawing{Height: 480}
	const margin = 14
	lowX, highX, lowY, highY := groups[0].points[0].x, groups[0].points[0].x, groups[0].points[0].y, groups[0].points[0].y
	total := 0
	for _, g := range groups {
		total += len(g.points)
		for _, p := range g.points {
			lowX, highX, lowY, highY = min(lowX, p.x), max(highX, p.x), min(lowY, p.y), max(highY, p.y)
		}
	}
	across := func(v, low, high, size float64) float64 {
		if high == low {
			return size / 2
		}
		return margin + (size-2*margin)*((v-low)/(high-low))
	}
	fmt.Fprintf(s, `<rect x="1" y="1" width="%d" height="%d" fill="none" stroke="#cbd5e1"/><defs>`, svg.Width-2, s.Height-2)
	for i, g := range groups {
		fmt.Fprintf(s, `<g id="k%d">%s</g>`, i, g.shape.Draw(0, 0, 8, g.colour))
	}
	s.WriteString(`</defs>`)
	step := max(1, (total+999)/1000)
	for i, g := range groups {
		for j := 0; j < len(g.points); j += step {
			p := g.points[j]
			fmt.Fprintf(s, `<use href="#k%d" x="%.4g" y="%.4g"/>`, i, across(p.x, lowX, highX, svg.Width), float64(s.Height)-across(p.y, lowY, highY, float64(s.Height)))
		}
	}
	return s
}
