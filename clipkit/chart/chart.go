package chart

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode"
)

// Figure is what can be shown: its HTML is a fragment, safe to put into any page or notebook output.
type Figure interface{ HTML() string }

// label is a text in both languages. Axes of static curves and bars use en alone: gonum/plot has no Chinese font to measure with.
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
	shape   shape
}

// Chart is one figure with axes: an ECharts option and a static picture of the same rows.
type Chart struct {
	title  label
	notes  []string
	option []byte  // JSON, safe inside a script element; nil: there is nothing to draw
	live   live    // what mount.js needs beside the option
	legend []mark  // of the static pictures
	static []still // one for each value axis
	alt    string  // the static pictures in words
	curves *curves // what a chart over steps was made of, for [Overlay]; nil for others
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
	Ramps      [2][]string `json:"ramps,omitzero"`       // colours from low to high, on light and on dark
}

// HTML is the title, the static picture and the script that hands the option to [Setup]'s script, whenever that runs.
func (c *Chart) HTML() string {
	var b strings.Builder
	b.WriteString(`<div style="margin:12px 0;max-width:960px">`)
	fmt.Fprintf(&b, `<div style="font-weight:bold">%s</div>`, escape(c.title.String()))
	for _, note := range c.notes {
		fmt.Fprintf(&b, `<div style="font-size:12px;opacity:0.75">%s</div>`, escape(note))
	}
	if c.option == nil {
		fmt.Fprintf(&b, `<div style="padding:24px;opacity:0.75">%s</div></div>`, nothing)
		return b.String()
	}

	// Named by content: the same chart shown twice has one name, and the script fills every place that carries it.
	data := slices.Concat(c.option, []byte(","), encode(c.live))
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:8])
	fmt.Fprintf(&b, `<div data-clipkit-chart="%s"><div style="font-size:12px">`, name)
	for _, m := range c.legend {
		fmt.Fprintf(&b, `<span style="margin-right:16px"><span style="color:%s;opacity:%g">%s</span> %s</span>`, m.colour, m.opacity, glyphs[m.shape], escape(m.name))
	}
	b.WriteString(`</div>`)
	for _, s := range c.static {
		fmt.Fprintf(&b, `<img width="%d" style="display:block;max-width:100%%;background:#ffffff" alt="%s" src="%s"/>`,
			staticWidth, escape(c.alt), dataURI("image/svg+xml", s.document()))
	}
	fmt.Fprintf(&b, `</div><script>(globalThis.clipkitCharts??=[]).push(["%s",%s]);</script></div>`, name, data)
	return b.String()
}

// dataURI is a file inside an attribute.
func dataURI(kind string, file []byte) string {
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(file)
}

// escape makes any text safe between tags and in quoted attributes.
func escape(s string) string { return html.EscapeString(printable(s)) }

// printable replaces control characters and broken UTF-8, which have no meaning in HTML and are errors in SVG.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
