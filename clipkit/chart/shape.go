package chart

import "fmt"

// shape is what tells series apart for a reader who doesn't see their colours.
type shape int

const (
	square shape = iota // a full bar or area, a line's swatch
	hollow              // the outline of a bar or area
	circle              // the others mark points
	triangle
	diamond
	cross
	star
	full // and these are lines
	broken
	spotted
)

// pointShapes mark the kinds of a map. Their number and the palette's have no common factor, so 30 kinds differ.
var pointShapes = []shape{circle, triangle, diamond, cross, star}

// paths are SVG paths in a square of 10 × 10. ECharts takes them as symbols, static pictures as they are.
var paths = map[shape]string{
	square:   "M0 0h10v10h-10z",
	hollow:   "M0 0h10v10h-10zM2 2v6h6v-6z",
	circle:   "M5 0a5 5 0 1 1 0 10a5 5 0 1 1 0-10z",
	triangle: "M5 0l5 10h-10z",
	diamond:  "M5 0l5 5l-5 5l-5-5z",
	cross:    "M3.5 0h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
	full:     "M0 4h10v2h-10z",
	broken:   "M0 4h4v2h-4zM6 4h4v2h-4z",
	spotted:  "M0 4h2v2h-2zM4 4h2v2h-2zM8 4h2v2h-2z",
	star:     "M5 0l1.5 3.4l3.5.4l-2.7 2.4l.8 3.8l-3.1-2l-3.1 2l.8-3.8l-2.7-2.4l3.5-.4z",
}

// glyphs are the shapes as characters, for a legend in HTML.
var glyphs = map[shape]string{
	square: "■", hollow: "□", circle: "●", triangle: "▲", diamond: "◆", cross: "✚", star: "★", full: "━", broken: "╍", spotted: "┉",
}

func (s shape) symbol() string { return "path://" + paths[s] }

// draw is the shape about a place.
func (s shape) draw(x, y, size float64, colour string) string {
	return fmt.Sprintf(`<path transform="translate(%.4g %.4g) scale(%.3g)" fill="%s" d="%s"/>`, x-size/2, y-size/2, size/10, colour, paths[s])
}
