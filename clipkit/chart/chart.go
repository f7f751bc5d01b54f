package chart

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"strings"
	"unicode"
)

// Figure is what can be shown: its HTML is a fragment, safe to put into any page or notebook output.
type Figure interface{ HTML() string }

// label is a text in both languages. The static picture has no Chinese font to measure with, so it uses en alone.
type label struct{ zh, en string }

func (l label) String() string {
	if l.zh == "" {
		return l.en
	}
	return l.zh + " · " + l.en
}

// mark is one entry of a static legend.
type mark struct {
	colour  string
	opacity float32
	name    string
}

// Chart is one figure with axes: an ECharts option and a static picture of the same rows.
type Chart struct {
	title  label
	notes  []string
	option []byte   // JSON, safe inside a script element; nil: there is nothing to draw
	legend []mark   // of the static pictures
	static [][]byte // SVG documents, one for each value axis
	alt    string   // the static pictures in words
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
		b.WriteString(`<div style="padding:24px;opacity:0.75">还没有数据 · no rows yet</div></div>`)
		return b.String()
	}

	// Named by content: the same chart shown twice has one name, and the script fills every place that carries it.
	sum := sha256.Sum256(c.option)
	name := hex.EncodeToString(sum[:8])
	fmt.Fprintf(&b, `<div data-clipkit-chart="%s"><div style="font-size:12px">`, name)
	for _, m := range c.legend {
		fmt.Fprintf(&b, `<span style="margin-right:16px"><span style="color:%s;opacity:%g">■</span> %s</span>`, m.colour, m.opacity, escape(m.name))
	}
	b.WriteString(`</div>`)
	for _, svg := range c.static {
		fmt.Fprintf(&b, `<img width="%d" style="display:block;max-width:100%%;background:#ffffff" alt="%s" src="data:image/svg+xml;base64,%s"/>`,
			staticWidth, escape(c.alt), base64.StdEncoding.EncodeToString(svg))
	}
	fmt.Fprintf(&b, `</div><script>(globalThis.clipkitCharts??=[]).push(["%s",%s]);</script></div>`, name, c.option)
	return b.String()
}

// escape makes any text safe between tags and in quoted attributes. Control characters and broken UTF-8 have no meaning in HTML.
func escape(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	return html.EscapeString(s)
}
