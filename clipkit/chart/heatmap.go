package chart

import (
	"math"
	"strconv"
)

// Heatmap draws similarities: values [pictures, texts], such as cosines, with the pictures and their captions beside the rows and the
// texts under the columns. Up to 24 × 24 the cells carry their values, and up to 40 rows have their pictures; beyond that tooltips show
// both. A row of text alone is a Picture with no Encoded.
func Heatmap(values [][]float64, rows []Picture, columns []string) *Chart {
	m := matrix{
		title:   label{"相似度", "Similarity"},
		rowName: label{"图片", "picture"},
		column:  label{"文本", "text"},
		scale:   label{"相似度", "similarity"},
		names:   []string{"相似度 · similarity"},
		low:     math.Inf(1), high: math.Inf(-1),
		inside: func(c cell) string { return short(c.shade) },
	}
	captions := make([]string, len(rows))
	for i, p := range rows {
		captions[i] = p.Caption
	}
	m.clip(captions, columns)
	m.compare(len(rows), len(columns), len(values), func(i int) int { return len(values[i]) })
	dropped := 0
	for i, row := range values {
		for j, v := range row {
			if !m.has(i, j) {
				continue
			}
			if !drawable(v) {
				dropped++
				continue
			}
			m.cells = append(m.cells, cell{row: i, column: j, shade: v})
			m.low, m.high = min(m.low, v), max(m.high, v)
		}
	}
	var broken int
	m.pictures, broken = thumbnails(rows, 64, maxSide)
	m.notes = append(append(m.notes, droppedNote(dropped)...), brokenNote(broken)...)
	return m.chart()
}

// short is a number that fits into a cell: with two decimals, as cosines have them, or three digits if it is large.
func short(v float64) string {
	if math.Abs(v) < 10 {
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
