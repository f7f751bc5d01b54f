package svg

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

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

// Lines draws lines on axes with these names.
func Lines(x, y string, lines []Line) *Drawing {
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, l := range lines {
		for _, q := range l.Points {
			for i := range q {
				low[i], high[i] = min(low[i], q[i]), max(high[i], q[i])
			}
		}
	}
	p := newPlot(y, ruled(low[1], high[1], 6))
	p.across = ruled(low[0], high[0], 8)
	p.across.from, p.across.to = p.left, p.right
	p.up.draw(p)
	p.across.draw(p)
	p.Text((p.left+p.right)/2, plotHeight-6, labelSize, "middle", x)
	var ends []end
	for _, l := range lines {
		p.line(l)
		if l.Letter != "" {
			last := l.Points[len(l.Points)-1]
			ends = append(ends, end{x: p.across.at(last[0]) + 8, y: p.up.at(last[1]), letter: l.Letter})
		}
	}
	p.letters(ends)
	return p.Drawing
}

// line draws one line, the area below it and its dots.
func (p *plot) line(l Line) {
	var path strings.Builder
	for i, q := range l.Points {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], p.across.at(q[0]), p.up.at(q[1]))
	}
	if l.Fill > 0 {
		first, last := p.across.at(l.Points[0][0]), p.across.at(l.Points[len(l.Points)-1][0])
		fmt.Fprintf(p, `<path fill="%s" fill-opacity="%g" d="%sL%.1f %.1fL%.1f %.1[5]fz"/>`, l.Colour, l.Fill, path.String(), last, p.bottom, first)
	}
	fmt.Fprintf(p, `<path fill="none" stroke="%s" stroke-width="%g" opacity="%g"%s d="%s"/>`, l.Colour, l.Width, l.Opacity, l.Stroke.style(), path.String())
	if !l.Dots {
		return
	}
	fmt.Fprintf(p, `<g opacity="%g">`, l.Opacity)
	for _, q := range l.Points {
		p.WriteString(Circle.Draw(p.across.at(q[0]), p.up.at(q[1]), 4, l.Colour))
	}
	p.WriteString("</g>")
}

// end is where a line ends.
type end struct {
	x, y   float64
	letter string
}

// letters writes the letters of lines beside their ends, apart from each other where lines end together, and above the axis.
func (p *plot) letters(ends []end) {
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.y, b.y) })
	free := p.top
	for i := range ends {
		ends[i].y = max(ends[i].y+4, free)
		free = ends[i].y + letterSize
	}
	free = p.bottom - 2
	for i := len(ends) - 1; i >= 0; i-- {
		e := &ends[i]
		e.y = min(e.y, free)
		free = e.y - letterSize
		p.Text(e.x, e.y, letterSize, "middle", e.letter)
	}
}

// Series is one bar of each group.
type Series struct {
	Values   []float64 // one for each group; NaN: no bar
	Digits   int       // of the number above each bar, behind the point; it is left out where bars are too thin
	Colour   string
	Outlined bool   // not filled
	Letter   string // above each bar, "" for none
}

// Bars draws a group of bars for each name.
func Bars(y string, names []string, series []Series) *Drawing {
	high := 0.0
	for _, s := range series {
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				high = max(high, v)
			}
		}
	}
	if high == 0 {
		high = 1
	}
	p := newPlot(y, ruled(0, high, 6))
	p.up.draw(p)
	p.segment(p.left, p.bottom, p.right, p.bottom, false)
	slot := (p.right - p.left) / float64(len(names))
	width := 0.7 * slot / float64(len(series))
	for j, name := range names {
		middle := p.left + (float64(j)+0.5)*slot
		for i, line := range wrap(name, slot/nameSize) {
			p.Text(middle, p.bottom+14+float64(i)*(nameSize+2), nameSize, "middle", line)
		}
		for i, s := range series {
			if j < len(s.Values) && !math.IsNaN(s.Values[j]) {
				p.bar(middle+width*(float64(i)-float64(len(series))/2), width, s.Values[j], s)
			}
		}
	}
	return p.Drawing
}

// bar draws one bar with what stands above it.
func (p *plot) bar(x, width, value float64, s Series) {
	y := p.up.at(value)
	if s.Outlined {
		fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="%s" stroke-width="1.5"/>`, x+1, y, max(width-2, 0.5), p.bottom-y, s.Colour)
	} else {
		fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, x, y, width, p.bottom-y, s.Colour)
	}
	above := y - 3
	if number := strconv.FormatFloat(value, 'f', s.Digits, 64); Ems(number)*nameSize <= width {
		p.Text(x+width/2, above, nameSize, "middle", number)
		above -= nameSize
	}
	if s.Letter != "" {
		p.Text(x+width/2, above, min(nameSize, width), "middle", s.Letter)
	}
}

// wrap makes at most two lines of a name, and cuts what does not fit.
func wrap(name string, limit float64) []string {
	if at := strings.LastIndex(name, " "); Ems(name) > limit && at > 0 {
		return []string{Fit(name[:at], limit), Fit(name[at+1:], limit)}
	}
	return []string{Fit(name, limit)}
}
