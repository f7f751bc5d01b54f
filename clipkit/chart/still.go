package chart

import (
	"fmt"
	"strings"

	"golang.org/x/text/width"
)

// still is a static picture: the inside of an SVG document, staticWidth wide.
type still struct {
	strings.Builder
	height int
}

// fonts names Chinese fonts, since an SVG document doesn't inherit the page's.
const fonts = `system-ui, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif`

func (s *still) document() []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="%s">%s</svg>`,
		staticWidth, s.height, fonts, s.String())
}

// text writes one line; anchor is start, middle or end.
func (s *still) text(x, y, size float64, anchor, text string) {
	fmt.Fprintf(s, `<text x="%.4g" y="%.4g" font-size="%g" text-anchor="%s" fill="#334155">%s</text>`, x, y, size, anchor, escape(text))
}

// turned writes one line that reads upwards and ends at x, y.
func (s *still) turned(x, y, size float64, anchor, text string) {
	fmt.Fprintf(s, `<text transform="translate(%.4g %.4g) rotate(-90)" font-size="%g" text-anchor="%s" fill="#334155">%s</text>`, x, y, size, anchor, escape(text))
}

func (s *still) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(s, `<rect x="%.4g" y="%.4g" width="%.4g" height="%.4g" fill="%s"/>`, x, y, w, h, fill)
}

// SVG is the chart as one document with its title, legend and notes, on white: for a paper or a slide. It loads nothing and runs nothing.
func (c *Chart) SVG() []byte {
	var s still
	y := 24.0
	s.text(10, y, 15, "start", fit(c.title.String(), staticWidth/15))
	for _, note := range c.notes {
		y += 18
		s.text(10, y, 11, "start", fit(note, staticWidth/11))
	}
	if c.option == nil {
		y += 30
		s.text(10, y, 13, "start", nothing)
	}
	x := 10.0
	for i, m := range c.legend {
		name := fit(m.name, 50)
		w := 30 + 11*ems(name)
		if i == 0 || x+w > staticWidth-10 {
			x, y = 10, y+20
		}
		fmt.Fprintf(&s, `<g opacity="%g">%s</g>`, m.opacity, m.shape.draw(x+5, y-4, 10, m.colour))
		s.text(x+14, y, 12, "start", name)
		x += w
	}
	y += 10
	for _, part := range c.static {
		fmt.Fprintf(&s, `<g transform="translate(0 %g)">%s</g>`, y, part.String())
		y += float64(part.height)
	}
	s.height = int(y) + 10
	var page still
	page.height = s.height
	page.rect(0, 0, staticWidth, float64(s.height), "#ffffff")
	page.WriteString(s.String())
	return page.document()
}

// ems is about how wide a text is, in units of its font's size.
func ems(s string) float64 {
	total := 0.0
	for _, r := range s {
		total += em(r)
	}
	return total
}

func em(r rune) float64 {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 1
	}
	return 0.58
}

// fit makes one line of a text, cut to a width in units of its font's size.
func fit(s string, limit float64) string {
	// Captions can be a megabyte long: no more is looked at than could be shown.
	if most := int(limit*8) + 64; len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	s = strings.Join(strings.Fields(printable(s)), " ")
	if ems(s) <= limit {
		return s
	}
	total := 0.0
	for i, r := range s {
		if total += em(r); total > limit-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// fitAll prepares names for tooltips, which wrap them.
func fitAll(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = fit(name, 300)
	}
	return out
}
