package report

import (
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/internal/repo"
)

// RecallTable lists the recall of one or more evaluations, percent.
func RecallTable(reports ...*eval.Report) chart.Figure {
	const texts, images = "文→图 · text→image (%)\n", "图→文 · image→text (%)\n"
	header := []string{"", texts + "R@1", texts + "R@5", texts + "R@10", images + "R@1", images + "R@5", images + "R@10"}
	var rows [][]string
	for _, r := range reports {
		row := []string{r.Name}
		if r.LeftOut > 0 {
			row[0] += fmt.Sprintf(" (%d 张图片读不出 · %[1]d left out)", r.LeftOut)
		}
		for _, x := range []float64{r.TextToImage.R1, r.TextToImage.R5, r.TextToImage.R10, r.ImageToText.R1, r.ImageToText.R5, r.ImageToText.R10} {
			row = append(row, fmt.Sprintf("%.1f", x))
		}
		rows = append(rows, row)
	}
	return chart.Table(header, rows)
}

// RecallBars draws the recall of one or more evaluations beside each other.
func RecallBars(reports ...*eval.Report) *chart.Chart {
	var named []chart.Named
	for _, r := range reports {
		named = append(named, chart.Named{Name: r.Name, TextToImage: r.TextToImage, ImageToText: r.ImageToText})
	}
	return chart.RecallBars(named...)
}

// Keep keeps a report in a run's eval folder under a name, for a later cell.
func Keep(run, name string, r *eval.Report) error {
	dir := filepath.Join(repo.Experiments(), run, "eval")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("keeping an evaluation: %w", err)
	}
	r.Name = name
	return r.Save(filepath.Join(dir, name+".json"))
}

// Kept reads what Keep has kept.
func Kept(run, name string) (*eval.Report, error) {
	return eval.LoadReport(filepath.Join(repo.Experiments(), run, "eval", name+".json"))
}
