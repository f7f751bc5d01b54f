package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of a static picture; its width in CSS pixels.
const (
	staticWidth  = 720
	staticHeight = 300
)

// static draws one picture for each value axis, since gonum/plot has one.
func (c curves) static() [][]byte {
	var pictures [][]byte
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
			if l.dashed {
				style.Dashes = []vg.Length{5, 3}
			}
			p.Add(&plotter.Line{XYs: xys, LineStyle: style})
			if len(points) <= 40 { // one point alone has no line
				p.Add(&plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: style.Color, Radius: 2, Shape: draw.CircleGlyph{}}})
			}
		}
		pictures = append(pictures, svg(p))
	}
	return pictures
}

// static draws the bars.
func (c bars) static() [][]byte {
	p := newPlot(c.axis.en)
	p.Add(plotter.NewGrid())
	width := vg.Points(70 / float64(len(c.names)))
	for i, values := range c.values {
		heights := make(plotter.Values, len(values))
		for j, v := range values {
			if !math.IsNaN(v) {
				heights[j] = v
			}
		}
		p.Add(&plotter.BarChart{
			Values: heights,
			Width:  width,
			Color:  rgb(palette[i%len(palette)], 1),
			Offset: width * vg.Length(float64(i)-float64(len(c.names)-1)/2),
		})
	}
	names := make([]string, len(c.categories))
	for i, l := range c.categories {
		names[i] = l.en
	}
	p.NominalX(names...)
	p.X.Tick.Label.Font.Size = 10 // six of them, side by side
	p.Y.Min = 0
	return [][]byte{svg(p)}
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

func svg(p *plot.Plot) []byte {
	widen(&p.X)
	widen(&p.Y)
	canvas := vgsvg.New(staticWidth, staticHeight)
	p.Draw(draw.Crop(draw.New(canvas), 6, -24, 4, -6)) // room for half a label at the right end
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil { // a bytes.Buffer takes every write
		return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg"><title>%s</title></svg>`, escape(err.Error()))
	}
	return b.Bytes()
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
