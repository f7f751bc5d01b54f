// Package svg draws static pictures: texts that fit their place, shapes that differ without colour, and lines and bars on axes.
//
//	d := svg.Lines("optimizer step", "loss (nats)", []svg.Line{{Points: points, Colour: "#3b82f6", Opacity: 1, Width: 1.5}})
//	os.WriteFile("loss.svg", d.Document(svg.Ink), 0o644)
//
// Texts come from outside: Text, Turned and [Escape] make them inert, and [Fit] makes them short. Colours are "#rrggbb"; texts, axes and grids
// have the colour that Document is given.
package svg

import (
	"fmt"
	"strings"
)

// Width is that of every drawing, in CSS pixels.
const Width = 720

// Drawing is the inside of an SVG document, Width wide. What is written to it directly must be SVG elements.
type Drawing struct {
	strings.Builder
	Height int
}

// fonts names Chinese fonts, since an SVG document doesn't inherit the page's.
const fonts = `system-ui, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif`

// The colours of texts, axes and grids. Ink is for white paper. Pencil has a contrast of at least 3.9 both on white and on the near-black of dark
// themes: a picture in a data: URI, where no script runs, cannot know which of them it stands on.
const (
	Ink    = "#334155"
	Pencil = "#737c88"
)

// Document is the drawing as a file on nothing: what is behind it shines through.
func (d *Drawing) Document(colour string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="%s" style="color:%s" fill="currentColor">%s</svg>`,
		Width, d.Height, fonts, colour, d.String())
}

// Text writes one line; anchor is start, middle or end.
func (d *Drawing) Text(x, y, size float64, anchor, text string) {
	fmt.Fprintf(d, `<text x="%.4g" y="%.4g" font-size="%g" text-anchor="%s">%s</text>`, x, y, size, anchor, Escape(text))
}

// Turned writes one line that reads upwards and ends at x, y.
func (d *Drawing) Turned(x, y, size float64, anchor, text string) {
	fmt.Fprintf(d, `<text transform="translate(%.4g %.4g) rotate(-90)" font-size="%g" text-anchor="%s">%s</text>`, x, y, size, anchor, Escape(text))
}

// Rect writes a rectangle.
func (d *Drawing) Rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(d, `<rect x="%.4g" y="%.4g" width="%.4g" height="%.4g" fill="%s"/>`, x, y, w, h, fill)
}
