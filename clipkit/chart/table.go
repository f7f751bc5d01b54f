package chart

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"clipnb/clipkit/chart/plain"
	"clipnb/clipkit/chart/svg"
)

// Table shows rows under a header. A name "group\nname" stands under its group's, which is written once above all names of the group that follow each
// other. Cells that are numbers, with or without a percent sign, are aligned to the right.
func Table(header []string, rows [][]string) Figure {
	var b strings.Builder
	// What is wider than the page is scrolled to, and takes nothing beside it along.
	b.WriteString(`<div style="overflow-x:auto"><table style="margin:12px 0;border-collapse:collapse;font-size:13px"><thead>`)
	names := writeGroups(&b, header)
	b.WriteString(`<tr>`)
	for _, name := range names {
		fmt.Fprintf(&b, `<th style="padding:4px 12px;border-bottom:2px solid #94a3b8;text-align:left">%s</th>`, svg.Escape(name))
	}
	b.WriteString(`</tr></thead><tbody>`)
	if len(rows) == 0 {
		fmt.Fprintf(&b, `<tr><td colspan="%d" style="padding:4px 12px;opacity:0.75">还没有数据 · no rows yet</td></tr>`, max(1, len(header)))
	}
	for _, row := range rows {
		b.WriteString(`<tr>`)
		for _, cell := range row {
			align := "left"
			if plain.Number(cell) {
				align = "right"
			}
			if utf8.RuneCountInString(cell) > 30 { // or other columns would leave it a word a line
				align += ";min-width:20em;overflow-wrap:anywhere"
			}
			fmt.Fprintf(&b, `<td style="padding:4px 12px;border-bottom:1px solid #cbd5e1;text-align:%s">%s</td>`, align, svg.Escape(cell))
		}
		b.WriteString(`</tr>`)
	}
	b.WriteString(`</tbody></table></div>`)
	return fragment{b.String(), plain.Table(header, rows), svg.Table(header, rows, plain.Number)}
}

// writeGroups writes the groups' names, where there are any, each above its columns, and gives what stands below them.
func writeGroups(b *strings.Builder, header []string) (names []string) {
	var cells strings.Builder
	some := false
	for i := 0; i < len(header); {
		group, name, grouped := strings.Cut(header[i], "\n")
		if !grouped {
			group, name = "", header[i]
		}
		names = append(names, name)
		columns := 1
		for grouped && i+columns < len(header) && strings.HasPrefix(header[i+columns], group+"\n") {
			names = append(names, header[i+columns][len(group)+1:])
			columns++
		}
		fmt.Fprintf(&cells, `<th colspan="%d" style="padding:4px 12px 0;text-align:left">%s</th>`, columns, svg.Escape(group))
		some = some || grouped
		i += columns
	}
	if some {
		fmt.Fprintf(b, `<tr>%s</tr>`, cells.String())
	}
	return names
}
