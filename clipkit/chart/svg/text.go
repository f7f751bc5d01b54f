package svg

import (
	"html"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Escape makes any text safe between tags and in quoted attributes.
func Escape(s string) string { return html.EscapeString(printable(s)) }

// printable replaces control characters and broken UTF-8, which have no meaning in HTML and are errors in SVG.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Ems is about how wide a text is, in units of its font's size.
func Ems(s string) float64 {
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

// Fit makes one line of a text, cut to a width in units of its font's size.
func Fit(s string, limit float64) string {
	// Captions can be a megabyte long: no more is looked at than could be shown.
	if most := int(limit*8) + 64; len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	s = strings.Join(strings.Fields(printable(s)), " ")
	if Ems(s) <= limit {
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
