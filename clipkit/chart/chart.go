package chart

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"clipnb/clipkit/chart/option"
	"clipnb/clipkit/chart/plain"
	"clipnb/clipkit/chart/svg"
)

// Figure is what can be shown: its HTML is a fragment, safe to put into any page or notebook output. Those of this package are texts too
// (fmt.Stringer): tables as tables, charts as their values, pictures as their captions.
type Figure interface{ HTML() string }

// label is a text in both languages. Axes of static curves and bars use en alone: they have room for one.
type label struct{ zh, en string }

func (l label) String() string {
	if l.zh == "" {
		return l.en
	}
	return l.zh + " · " + l.en
}

// nothing stands where a chart has no values.
const nothing = "还没有数据 · no rows yet"

// mark is one entry of a static legend.
type mark struct {
	colour  string
	opacity float32
	name    string
	shape   svg.Shape
}

// Chart is one figure with axes: an ECharts option and a static picture of the same rows.
type Chart struct {
	title  label
	notes  []string
	option []byte         // JSON, safe inside a script element; nil: there is nothing to draw
	live   live           // what mount.js needs beside the option
	legend []mark         // of the static pictures
	static []*svg.Drawing // one for each value axis
	alt    string         // the static pictures in words
	text   string         // the values as lines of text; "": alt says it
	curves *curves        // what a chart over steps was made of, for [Overlay]; nil for others
}

// live is what a chart has that ECharts' option cannot hold as data. mount.js reads it.
type live struct {
	Height     int         `json:"height"`               // CSS pixels
	Tips       string      `json:"tips,omitempty"`       // "cell" or "point": tooltips that mount.js makes; "": ECharts' own
	Canvas     bool        `json:"canvas,omitempty"`     // thousands of shapes: pixels draw faster than elements
	Pictures   []string    `json:"pictures,omitempty"`   // data: URIs for tooltips, "" where there is none
	Rows       []string    `json:"rows,omitempty"`       // whole names of a matrix, whose axes hold short ones
	Columns    []string    `json:"columns,omitempty"`    //
	RowName    string      `json:"rowName,omitempty"`    //
	ColumnName string      `json:"columnName,omitempty"` //
	Names      []string    `json:"names,omitempty"`      // of the numbers of a cell, after its column and row
	Digits     int         `json:"digits,omitempty"`     // after the point of a tooltip's numbers; 0: as they are
	Ramps      [2][]string `json:"ramps,omitzero"`       // colours from low to high, on light and on dark
}

// HTML is the title, the static picture and the script that hands the option to package library's, whenever that runs.
func (c *Chart) HTML() string {
	var b strings.Builder
	b.WriteString(`<div style="margin:12px 0;max-width:960px">`)
	fmt.Fprintf(&b, `<div style="font-weight:bold">%s</div>`, svg.Escape(c.title.String()))
	for _, note := range c.notes {
		fmt.Fprintf(&b, `<div style="font-size:12px;opacity:0.75">%s</div>`, svg.Escape(note))
	}
	if c.option == nil {
		fmt.Fprintf(&b, `<div style="padding:24px;opacity:0.75">%s</div></div>`, nothing)
		return b.String()
	}

	// Named by content: the same chart shown twice has one name, and the script fills every place that carries it.
	data := slices.Concat(c.option, []byte(","), option.Encode(c.live))
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:8])
	fmt.Fprintf(&b, `<div data-clipkit-chart="%s"><div style="font-size:12px">`, name)
	for _, m := range c.legend {
		fmt.Fprintf(&b, `<span style="margin-right:16px"><span style="color:%s;opacity:%g">%s</span> %s</span>`, m.colour, m.opacity, m.shape.Glyph(), svg.Escape(m.name))
	}
	b.WriteString(`</div>`)
	for _, s := range c.static {
		fmt.Fprintf(&b, `<img width="%d" style="display:block;max-width:100%%" alt="%s" src="%s"/>`,
			svg.Width, svg.Escape(c.alt), dataURI("image/svg+xml", s.Document(svg.Pencil)))
	}
	fmt.Fprintf(&b, `</div><script>(globalThis.clipkitCharts??=[]).push(["%s",%s]);</script></div>`, name, data)
	return b.String()
}

// dataURI is a file inside an attribute.
func dataURI(kind string, file []byte) string {
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(file)
}

// String is the chart as text: its title, its notes, and its values or what is in it.
func (c *Chart) String() string {
	lines := append([]string{plain.Line(c.title.String(), 100)}, c.notes...)
	switch {
	case c.option == nil:
		lines = append(lines, nothing)
	case c.text != "":
		lines = append(lines, c.text)
	default:
		lines = append(lines, plain.Line(c.alt, 200))
	}
	return strings.Join(lines, "\n")
}

// Still is charts below each other as one document on nothing, for wherever it is not known whether the background is light or dark.
func Still(charts ...*Chart) []byte {
	var all svg.Drawing
	for _, c := range charts {
		d := c.whole()
		fmt.Fprintf(&all, `<g transform="translate(0 %d)">%s</g>`, all.Height, d.String())
		all.Height += d.Height
	}
	return all.Document(svg.Pencil)
}

// SVG is the chart as one document with its title, legend and notes, on white: for a paper or a slide. It loads nothing and runs nothing.
func (c *Chart) SVG() []byte {
	d := c.whole()
	page := svg.Drawing{Height: d.Height}
	page.Rect(0, 0, svg.Width, float64(d.Height), "#ffffff")
	page.WriteString(d.String())
	return page.Document(svg.Ink)
}

// whole is the chart with its title, legend and notes in one drawing.
func (c *Chart) whole() *svg.Drawing {
	d := &svg.Drawing{}
	y := 24.0
	d.Text(10, y, 15, "start", svg.Fit(c.title.String(), svg.Width/15))
	for _, note := range c.notes {
		y += 18
		d.Text(10, y, 11, "start", svg.Fit(note, svg.Width/11))
	}
	if c.option == nil {
		y += 30
		d.Text(10, y, 13, "start", nothing)
	}
	x := 10.0
	for i, m := range c.legend {
		name := svg.Fit(m.name, 50)
		w := 30 + 11*svg.Ems(name)
		if i == 0 || x+w > svg.Width-10 {
			x, y = 10, y+20
		}
		fmt.Fprintf(d, `<g opacity="%g">%s</g>`, m.opacity, m.shape.Draw(x+5, y-4, 10, m.colour))
		d.Text(x+14, y, 12, "start", name)
		x += w
	}
	y += 10
	for _, part := range c.static {
		fmt.Fprintf(d, `<g transform="translate(0 %g)">%s</g>`, y, part.String())
		y += float64(part.Height)
	}
	d.Height = int(y) + 10
	return d
}
