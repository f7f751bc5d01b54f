package clipkit

import (
	"fmt"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// RecallTable lists the recall of one or more evaluations, percent.
func RecallTable(reports ...*eval.Report) chart.Figure {
	header := []string{"", "文→图 · text→image R@1", "R@5", "R@10", "图→文 · image→text R@1", "R@5", "R@10"}
	var rows [][]string
	for _, r := range reports {
		row := []string{r.Name}
		for _, x := range []float64{r.TextToImage.R1, r.TextToImage.R5, r.TextToImage.R10, r.ImageToText.R1, r.ImageToText.R5, r.ImageToText.R10} {
			row = append(row, fmt.Sprintf("%.1f", x))
		}
		rows = append(rows, row)
	}
	return chart.Table(header, rows)
}

// RecallChart draws the recall of one or more evaluations beside each other.
func RecallChart(reports ...*eval.Report) *chart.Chart {
	var named []chart.Named
	for _, r := range reports {
		named = append(named, chart.Named{Name: r.Name, TextToImage: r.TextToImage, ImageToText: r.ImageToText})
	}
	return chart.RecallBars(named...)
}

// ReportSplit is the split that results of a data set are of: the one that a published set's figures are of (MUGE: valid, because the
// answers of its test are hidden), else test, else valid; nil where it has neither.
func ReportSplit(data *dataset.Dataset) dataset.Source {
	p, published := dataset.FindPublished(data.Name)
	if data.Test == nil || published && p.Report == "valid" {
		return data.Valid
	}
	return data.Test
}
