package report

import (
	"cmp"
	"fmt"
	"slices"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/zeroshot"
)

// Classes lists the classes of a zero-shot evaluation, the n worst first, each with what it was most often taken for.
func Classes(z *zeroshot.Result, n int) chart.Figure {
	classes := slices.DeleteFunc(z.PerClass(), func(c zeroshot.ClassAccuracy) bool { return c.Pictures == 0 })
	slices.SortStableFunc(classes, func(a, b zeroshot.ClassAccuracy) int { return cmp.Compare(a.Top1, b.Top1) })
	var rows [][]string
	for _, c := range classes[:min(n, len(classes))] {
		taken, most := "", 0
		for i, count := range z.Confusion[c.Class] {
			if i != c.Class && count > most {
				taken, most = fmt.Sprintf("%s (%d)", z.Labels[i], count), count
			}
		}
		rows = append(rows, []string{c.Label, fmt.Sprintf("%d", c.Pictures), fmt.Sprintf("%.1f", c.Top1), taken})
	}
	return chart.Table([]string{"类别 · class", "图片 · pictures", "top-1 %", "最常误认为 · most often taken for"}, rows)
}
