package chart

import "strconv"

// Confusion draws how often each true class (row) was taken for each class (column): counts [classes, classes]. Colours are percent of
// the row, so that rare classes can be compared with frequent ones; cells of up to 24 classes carry their counts. With many classes the
// labels thin out and the tooltips still name every cell.
func Confusion(labels []string, counts [][]int) *Chart {
	m := matrix{
		title:   label{"混淆矩阵", "Confusion matrix"},
		rowName: label{"真实类别", "true class"},
		column:  label{"判为", "predicted class"},
		high:    100,
		scale:   label{"占该类 (%)", "share of the true class (%)"},
		names:   []string{"占该类 (%) · share of the true class (%)", "张数 · count"},
		inside: func(c cell) string {
			if c.count == 0 {
				return ""
			}
			return strconv.Itoa(c.count)
		},
	}
	m.clip(labels, labels)
	m.compare(len(labels), len(labels), len(counts), func(i int) int { return len(counts[i]) })
	for i, row := range counts {
		total := 0.0
		for _, n := range row {
			total += float64(n)
		}
		for j, n := range row {
			if !m.has(i, j) {
				continue
			}
			c := cell{row: i, column: j, count: n}
			if total > 0 {
				c.shade = 100 * float64(n) / total
			}
			m.cells = append(m.cells, c)
		}
	}
	return m.chart()
}
