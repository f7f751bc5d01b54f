// Package plain writes figures as text, for terminals and for notebook viewers that show nothing else.
//
//	plain.Table([]string{"", "text→image\nR@1", "text→image\nR@5"}, [][]string{{"before", "10.2", "34.6"}})
//	plain.Spark([]float64{5.2, 3.1, 1.4, 0.9}, 24) // █▅▂▁
//
// Chinese characters take two columns. Texts come from outside: control characters, which could move a terminal's cursor, are replaced, and long
// texts are cut.
package plain

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"clipnb/clipkit/chart/svg"

	"golang.org/x/text/width"
)

// maxCell is how many columns a cell of a table takes at most.
const maxCell = 48

// Columns is how wide a text is in a terminal.
func Columns(s string) (n int) {
	for _, r := range s {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}

// Line makes one line of a text, at most limit columns wide.
func Line(s string, limit int) string {
	s = svg.Fit(s, float64(2*limit)) // no column is narrower than half of a character
	if Columns(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		if n += Columns(string(r)); n > limit-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// Number reports whether a cell is one, with or without a percent sign: numbers are aligned to the right.
func Number(cell string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(cell, "%")), 64)
	return err == nil
}

// Table aligns rows under a header. A name "group\nname" stands under its group's, which is written once.
func Table(header []string, rows [][]string) string {
	var groups, names []string
	for _, h := range header {
		group, name, grouped := strings.Cut(h, "\n")
		if !grouped {
			group, name = "", h
		}
		groups, names = append(groups, Line(group, maxCell)), append(names, Line(name, maxCell))
	}
	all := [][]string{names}
	for _, row := range rows {
		var cells []string
		for _, cell := range row {
			cells = append(cells, Line(cell, maxCell))
		}
		all = append(all, cells)
	}
	var widths []int
	right := map[int]bool{}
	for i, row := range all {
		for j, cell := range row {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], Columns(cell))
			right[j] = i > 0 && Number(cell) || right[j] // a column of numbers, and what stands above them
		}
	}
	var b strings.Builder
	if slices.ContainsFunc(groups, func(g string) bool { return g != "" }) {
		writeGroups(&b, groups, widths)
	}
	for _, row := range all {
		at := ""
		for j, cell := range row {
			gap := strings.Repeat(" ", widths[j]-Columns(cell))
			if right[j] {
				at += gap + cell + "  "
			} else {
				at += cell + gap + "  "
			}
		}
		b.WriteString(strings.TrimRight(at, " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// writeGroups writes each group's name above the first of its columns, and makes the last one wide enough for it.
func writeGroups(b *strings.Builder, groups []string, widths []int) {
	at := ""
	for j := 0; j < len(groups); {
		end, room := j, -2
		for ; end < len(groups) && groups[end] == groups[j]; end++ {
			room += widths[end] + 2
		}
		if wide := Columns(groups[j]); wide > room {
			widths[end-1] += wide - room
			room = wide
		}
		at += groups[j] + strings.Repeat(" ", room-Columns(groups[j])+2)
		j = end
	}
	b.WriteString(strings.TrimRight(at, " ") + "\n")
}

// Spark is how values go, in at most n characters: each is the mean of its share of them.
func Spark(values []float64, n int) string {
	n = min(n, len(values))
	means := make([]float64, n)
	for i := range means {
		share := values[i*len(values)/n : (i+1)*len(values)/n]
		for _, v := range share {
			means[i] += v / float64(len(share))
		}
	}
	if n == 0 {
		return ""
	}
	var b strings.Builder
	low, high := slices.Min(means), slices.Max(means)
	for _, v := range means {
		level := 0
		if high > low {
			level = int(math.Round(7 * (v/2 - low/2) / (high/2 - low/2))) // halves: the span of extremes is finite
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, max(0, level))])
	}
	return b.String()
}
