package svg

import "fmt"

// Shape is what tells series apart for a reader who doesn't see their colours.
type Shape int

const (
	Square Shape = iota // a full bar or area, a line's swatch
	Hollow              // the outline of a bar or area
	Circle              // the others mark points
	Triangle
	Diamond
	Cross
	Star
	Full // and these are lines
	Broken
	Spotted
)

// paths are SVG paths in a square of 10 × 10. ECharts takes them as symbols, static pictures as they are.
var paths = map[Shape]string{
	Square:   "M0 0h10v10h-10z",
	Hollow:   "M0 0h10v10h-10zM2 2v6h6v-6z",
	Circle:   "M5 0a5 5 0 1 1 0 10a5 5 0 1 1 0-10z",
	Triangle: "M5 0l5 10h-10z",
	Diamond:  "M5 0l5 5l-5 5l-5-5z",
	Cross:    "M3.5 0h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
	Full:     "M0 4h10v2h-10z",
	Broken:   "M0 4h4v2h-4zM6 4h4v2h-4z",
	Spotted:  "M0 4h2v2h-2zM4 4h2v2h-2zM8 4h2v2h-2z",
	Star:     "M5 0l1.5 3.4l3.5.4l-2.7 2.4l.8 3.8l-3.1-2l-3.1 2l.8-3.8l-2.7-2.4l3.5-.4z",
}

var glyphs = map[Shape]string{
	Square: "■", Hollow: "□", Circle: "●", Triangle: "▲", Diamond: "◆", Cross: "✚", Star: "★", Full: "━", Broken: "╍", Spotted: "┉",
}

// Glyph is the shape as a character, for a legend in HTML.
func (s Shape) Glyph() string { return glyphs[s] }

// Symbol is the shape for ECharts.
func (s Shape) Symbol() string { return "path://" + paths[s] }

// Draw is the shape about a place, as an SVG element.
func (s Shape) Draw(x, y, size float64, colour string) string {
	return fmt.Sprintf(`<path transform="translate(%.4g %.4g) scale(%.3g)" fill="%s" d="%s"/>`, x-size/2, y-size/2, size/10, colour, paths[s])
}

// Stroke tells lines of one colour apart, in ECharts' words.
type Stroke string

const (
	Solid  Stroke = "solid"
	Dashed Stroke = "dashed"
	Dotted Stroke = "dotted"
)

// Shape stands for the stroke in a legend.
func (s Stroke) Shape() Shape {
	return map[Stroke]Shape{Solid: Full, Dashed: Broken, Dotted: Spotted}[s]
}

// style is the stroke as an attribute.
func (s Stroke) style() string {
	switch s {
	case Dashed:
		return ` style="stroke-dasharray:5 3"`
	case Dotted:
		return ` style="stroke-dasharray:1.5 2"`
	}
	return ""
}
