package svg

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

// plotHeight is that of a picture with axes, in CSS pixels.
const plotHeight = 300

// Line is one line on axes.
type Line struct {
	Points  [][2]float64 // finite; at least one
	Colour  string
	Opacity float32
	Width   float64 // pixels
	Stroke  Stroke  // "" is solid
	Dots    bool    // on every point: one point alone has no line
	Fill    float32 // opacity of the area below; 0 for none
	Letter  string  // stands at the end, "" for none
}

// Lines draws lines on axes with these names. gonum/plot measures text with its own fonts, so names must not be Chinese.
func Lines(x, y string, lines []Line) *Drawing {
	p := newPlot(y)
	p.X.Label.Text = x
	p.Add(plotter.NewGrid())
	for _, l := range lines {
		xys := make(plotter.XYs, len(l.Points))
		for i, q := range l.Points {
			xys[i] = plotter.XY{X: q[0], Y: q[1]}
		}
		line := &plotter.Line{XYs: xys, LineStyle: draw.LineStyle{Color: rgb(l.Colour, l.Opacity), Width: vg.Length(l.Width), Dashes: l.Stroke.dashes()}}
		if l.Fill > 0 {
			line.FillColor = rgb(l.Colour, l.Fill)
		}
		p.Add(line)
		if l.Dots {
			p.Add(&plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: line.Color, Radius: 2, Shape: draw.CircleGlyph{}}})
		}
		if l.Letter != "" {
			p.Add(letters(plotter.XYLabels{XYs: xys[len(xys)-1:], Labels: []string{l.Letter}}, vg.Point{X: 8, Y: -4}, 11))
		}
	}
	return plotted(p)
}

// Series is one bar of each group.
type Series struct {
	Values   []float64 // one for each group; NaN: no bar
	Colour   string
	Outlined bool   // not filled
	Letter   string // above each bar, "" for none
}

// Bars draws a group of bars for each name; as with [Lines], names must not be Chinese.
func Bars(y string, names []string, series []Series) *Drawing {
	p := newPlot(y)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	p.Add(grid)
	width := vg.Points(420 / float64(len(names)*len(series)))
	for i, s := range series {
		heights := make(plotter.Values, len(s.Values))
		var tops plotter.XYLabels
		for j, v := range s.Values {
			if math.IsNaN(v) {
				continue
			}
			heights[j] = v
			tops.XYs = append(tops.XYs, plotter.XY{X: float64(j), Y: v})
			tops.Labels = append(tops.Labels, s.Letter)
		}
		offset := width * vg.Length(float64(i)-float64(len(series)-1)/2)
		bar := &plotter.BarChart{Values: heights, Width: width, Color: rgb(s.Colour, 1), Offset: offset}
		if s.Outlined {
			bar.Width -= 2
			bar.LineStyle = draw.LineStyle{Color: bar.Color, Width: 1.5}
			bar.Color = color.Transparent
		}
		p.Add(bar)
		if s.Letter != "" {
			p.Add(letters(tops, vg.Point{X: offset, Y: 2}, min(10, width)))
		}
	}
	p.NominalX(names...)
	p.X.Tick.Label.Font.Size = 10 // six or more, side by side
	p.Y.Min = 0
	return plotted(p)
}

// letters are labels centred above or beside their points.
func letters(at plotter.XYLabels, offset vg.Point, size vg.Length) *plotter.Labels {
	style := draw.TextStyle{Color: color.Black, Font: font.From(plotter.DefaultFont, size), Handler: plot.DefaultTextHandler, XAlign: draw.XCenter}
	style.Font.Variant = "Sans"
	return &plotter.Labels{XYs: at.XYs, Labels: at.Labels, Offset: offset, TextStyle: slices.Repeat([]draw.TextStyle{style}, len(at.Labels))}
}

func newPlot(axis string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Y.Label.Text = axis
	for _, style := range []*draw.TextStyle{&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Variant = "Sans"
		style.Font.Size = 12
	}
	return p
}

// plotted draws with gonum/plot, which measures text with its own fonts: it has no Chinese.
func plotted(p *plot.Plot) *Drawing {
	widen(&p.X)
	widen(&p.Y)
	canvas := vgsvg.New(Width, plotHeight)
	p.Draw(draw.Crop(draw.New(canvas), 6, -24, 4, -6)) // room for half a label at the right end
	d := &Drawing{Height: plotHeight}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil { // a bytes.Buffer takes every write
		d.Text(10, 20, 12, "start", err.Error())
		return d
	}
	_, body, _ := strings.Cut(b.String(), "<svg")
	_, body, _ = strings.Cut(body, ">")
	body, _, _ = strings.Cut(body, "</svg>")
	d.WriteString(strings.ReplaceAll(body, "stroke:#000000", "stroke:currentColor")) // texts have no colour of their own
	return d
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
