package chart

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"clipnb/clipkit/chart/svg"
)

// Table shows rows under a header. Cells that are numbers, with or without a percent sign, are aligned to the right.
func Table(header []string, rows [][]string) Figure {
	var b strings.Builder
	b.WriteString(`<table style="margin:12px 0;border-collapse:collapse;font-size:13px"><thead><tr>`)
	for _, name := range header {
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
			if _, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(cell, "%")), 64); err == nil {
				align = "right"
			}
			if utf8.RuneCountInString(cell) > 30 { // or other columns would leave it a word a line
				align += ";min-width:20em"
			}
			fmt.Fprintf(&b, `<td style="padding:4px 12px;border-bottom:1px solid #cbd5e1;text-align:%s">%s</td>`, align, svg.Escape(cell))
		}
		b.WriteString(`</tr>`)
	}
	b.WriteString(`</tbody></table>`)
	return fragment(b.String())
}
