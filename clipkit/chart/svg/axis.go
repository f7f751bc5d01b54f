package svg

import (
	"fmt"
	"math"
	"strconv"
)

// Sizes of what has axes, in CSS pixels. (gonum/plot draws them as well, but brings sixteen fonts and a writer of PDF with it: 6 MB of every notebook cell.)
const (
	plotHeight = 300
	labelSize  = 12
	letterSize = 11
	nameSize   = 10
)

// plot is a drawing with axes: a value axis at the left, and for lines one below.
type plot struct {
	*Drawing
	left, right, top, bottom float64
	up, across               axis
}

func newPlot(name string, up axis) *plot {
	p := &plot{Drawing: &Drawing{Height: plotHeight}, right: Width - 24, top: 24, bottom: plotHeight - 40, up: up}
	widest := 0.0
	for _, label := range up.labels {
		widest = max(widest, Ems(label))
	}
	p.left = 28 + labelSize*widest
	p.up.from, p.up.to = p.bottom, p.top
	p.Turned(14, (p.top+p.bottom)/2, labelSize, "middle", name)
	return p
}

// axis is a range of values on a range of pixels, with round values to mark.
type axis struct {
	low, high float64
	from, to  float64
	marks     []float64
	labels    []string
}

// ruled is an axis with at most so many marks, which are 1, 2 or 5 times a power of ten apart.
func ruled(low, high float64, most int) axis {
	size := max(math.Abs(low), math.Abs(high))
	if span := high - low; span < 1e-6*size || span < 1e-290 { // too narrow for the numbers that a float64 has
		half := 0.1 * size
		if half < 1e-290 {
			half = 1
		}
		low, high = low-half, high+half
	}
	a := axis{low: low, high: high}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(most))))
	for _, factor := range []float64{2, 2.5, 2} { // to 2, 5 and 10 times the power of ten
		if (high-low)/step <= float64(most) {
			break
		}
		step *= factor
	}
	for i := math.Ceil(low / step); i <= math.Floor(high/step); i++ {
		a.marks = append(a.marks, i*step)
		a.labels = append(a.labels, rounded(i*step, step, size))
	}
	return a
}

// rounded writes a mark with the digits that tell it from the next.
func rounded(v, step, size float64) string {
	if size < 1e7 && step >= 1e-4 {
		return strconv.FormatFloat(v, 'f', max(0, int(math.Ceil(-math.Log10(step)-1e-9))), 64)
	}
	return strconv.FormatFloat(v, 'g', max(1, min(8, 1+int(math.Ceil(math.Log10(size/step))))), 64)
}

// at is a value's place in pixels.
func (a axis) at(v float64) float64 { return a.from + (a.to-a.from)*(v-a.low)/(a.high-a.low) }

// draw draws the axis with its marks and labels, of one below the plot those that have room, and lines through the marks.
func (a axis) draw(p *plot) {
	below := a.from < a.to
	if below {
		p.segment(p.left, p.bottom, p.right, p.bottom, false)
	} else {
		p.segment(p.left, p.bottom, p.left, p.top, false)
	}
	free := math.Inf(-1)
	for i, v := range a.marks {
		at := a.at(v)
		if !below {
			p.segment(p.left, at, p.right, at, true)
			p.Text(p.left-6, at+4, labelSize, "end", a.labels[i])
			continue
		}
		p.segment(at, p.bottom, at, p.top, true)
		half := labelSize * Ems(a.labels[i]) / 2
		if at = min(at, Width-half-1); at-half > free {
			p.Text(at, p.bottom+16, labelSize, "middle", a.labels[i])
			free = at + half + 4
		}
	}
}

// segment is a straight piece of an axis or, paler, of the grid.
func (p *plot) segment(x1, y1, x2, y2 float64, pale bool) {
	opacity := 1.0
	if pale {
		opacity = 0.3
	}
	fmt.Fprintf(p, `<path fill="none" stroke="currentColor" stroke-width="0.7" opacity="%g" d="M%.1f %.1fL%.1f %.1f"/>`, opacity, x1, y1, x2, y2)
}
