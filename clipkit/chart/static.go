package chart

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of a static picture in CSS pixels; a matrix has a height of its own.
const (
	staticWidth  = 720
	staticHeight = 300
)

// static draws one picture for each value axis, since gonum/plot has one.
func (c curves) static() []still {
	var pictures []still
	for i, name := range c.axes {
		p := newPlot(name.en)
		p.X.Label.Text = "optimizer step"
		p.Add(plotter.NewGrid())
		for _, l := range c.lines {
			if l.right != (i == 1) {
				continue
			}
			points := thin(l.points, staticPoints)
			xys := make(plotter.XYs, len(points))
			for j, q := range points {
				xys[j] = plotter.XY{X: q.x, Y: q.y}
			}
			style := draw.LineStyle{Color: rgb(l.colour, l.opacity()), Width: 1.5}
			style.Dashes = l.stroke.dashes()
			p.Add(&plotter.Line{XYs: xys, LineStyle: style})
			if len(points) <= 40 { // one point alone has no line
				p.Add(&plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: style.Color, Radius: 2, Shape: draw.CircleGlyph{}}})
			}
			if l.letter != "" {
				p.Add(letters(plotter.XYLabels{XYs: xys[len(xys)-1:], Labels: []string{l.letter}}, vg.Point{X: 8, Y: -4}, 11))
			}
		}
		pictures = append(pictures, plotted(p))
	}
	return pictures
}

// static draws the bars.
func (c bars) static() []still {
	p := newPlot(c.axis.en)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	p.Add(grid)
	width := vg.Points(420 / float64(len(c.categories)*len(c.series)))
	for i, series := range c.series {
		heights := make(plotter.Values, len(series.values))
		var tops plotter.XYLabels
		for j, v := range series.values {
			if math.IsNaN(v) {
				continue
			}
			heights[j] = v
			tops.XYs = append(tops.XYs, plotter.XY{X: float64(j), Y: v})
			tops.Labels = append(tops.Labels, series.letter)
		}
		offset := width * vg.Length(float64(i)-float64(len(c.series)-1)/2)
		bar := &plotter.BarChart{Values: heights, Width: width, Color: rgb(series.colour, 1), Offset: offset}
		if series.published {
			bar.Width -= 2
			bar.LineStyle = draw.LineStyle{Color: bar.Color, Width: 1.5}
			bar.Color = color.Transparent
		}
		p.Add(bar)
		if series.letter != "" {
			p.Add(letters(tops, vg.Point{X: offset, Y: 2}, min(10, width)))
		}
	}
	names := make([]string, len(c.categories))
	for i, l := range c.categories {
		names[i] = l.en
	}
	p.NominalX(names...)
	p.X.Tick.Label.Font.Size = 10 // six or more, side by side
	p.Y.Min = 0
	return []still{plotted(p)}
}

func (s stroke) dashes() []vg.Length {
	switch s {
	case dashed:
		return []vg.Length{5, 3}
	case dotted:
		return []vg.Length{1.5, 2}
	}
	return nil
}

// letters are labels centred above or beside their points.
func letters(at plotter.XYLabels, offset vg.Point, size vg.Length) *plotter.Labels {
	style := draw.TextStyle{Color: color.Black, Font: font.From(plotter.DefaultFont, size), Handler: plot.DefaultTextHandler, XAlign: draw.XCenter}
	style.Font.Variant = "Sans"
	return &plotter.Labels{XYs: at.XYs, Labels: at.Labels, Offset: offset, TextStyle: slices.Repeat([]draw.TextStyle{style}, len(at.Labels))}
}

func newPlot(axis string) *plot.Plot {
	p := plot.New()
	p.Y.Label.Text = axis
	for _, style := range []*draw.TextStyle{&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Variant = "Sans"
		style.Font.Size = 12
	}
	return p
}

// plotted draws with gonum/plot, which measures text with its own fonts: it has no Chinese.
func plotted(p *plot.Plot) still {
	widen(&p.X)
	widen(&p.Y)
	canvas := vgsvg.New(staticWidth, staticHeight)
	p.Draw(draw.Crop(draw.New(canvas), 6, -24, 4, -6)) // room for half a label at the right end
	s := still{height: staticHeight}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil { // a bytes.Buffer takes every write
		s.text(10, 20, 12, "start", err.Error())
		return s
	}
	_, body, _ := strings.Cut(b.String(), "<svg")
	_, body, _ = strings.Cut(body, ">")
	body, _, _ = strings.Cut(body, "</svg>")
	s.WriteString(body)
	return s
}

// widen opens a range that is too narrow for its numbers: gonum/plot finds no ticks there, and panics.
func widen(a *plot.Axis) {
	if size := max(math.Abs(a.Min), math.Abs(a.Max)); a.Max-a.Min < 1e-6*size {
		a.Min, a.Max = a.Min-0.1*size, a.Max+0.1*size
	}
}

// rgb reads a palette entry.
func rgb(hex string, opacity float32) color.Color {
	v, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return color.Black
	}
	return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), uint8(255 * opacity)}
}
