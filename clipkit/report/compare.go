package report

import (
	"fmt"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// Comparison lists the recalls before and after, percent; ✓ marks a difference whose interval leaves 0 out.
func Comparison(c *eval.Comparison) chart.Figure {
	var rows [][]string
	for _, d := range []struct {
		name string
		*eval.Direction
	}{{"文→图 · text→image", c.TextToImage}, {"图→文 · image→text", c.ImageToText}} {
		for i, x := range d.Changes() {
			mark := ""
			if x.Clear() {
				mark = "✓"
			}
			rows = append(rows, []string{d.name + " " + []string{"R@1", "R@5", "R@10", "mean"}[i], fmt.Sprintf("%.1f", x.Before), fmt.Sprintf("%.1f", x.After),
				fmt.Sprintf("%+.1f", x.Difference()), fmt.Sprintf("%+.1f … %+.1f", x.Low, x.High), mark})
		}
	}
	return chart.Table([]string{"", "之前 · before", "之后 · after", "差 · difference", "95%", ""}, rows)
}

// MovedTexts makes texts that moved, such as c.TextToImage.Improved, ready for chart.Grid: each with its picture and its ranks, at most n.
// A green frame is for a better rank.
func MovedTexts(split dataset.Source, moved []eval.Moved, n int) ([]chart.Picture, error) {
	of := map[int64]dataset.Text{}
	for _, t := range split.Texts() {
		of[t.ID] = t
	}
	return movedPictures(split, moved, n, func(id int64) (int64, string, bool) {
		t := of[id]
		if len(t.ImageIDs) == 0 {
			return 0, "", false
		}
		return t.ImageIDs[0], t.Text, true
	})
}

// MovedImages is MovedTexts for pictures that moved, such as c.ImageToText.Worsened, each with its first caption.
func MovedImages(split dataset.Source, moved []eval.Moved, n int) ([]chart.Picture, error) {
	of := dataset.CaptionsByImage(split)
	return movedPictures(split, moved, n, func(id int64) (int64, string, bool) { return id, first(of[id]), len(of[id]) > 0 })
}

func movedPictures(split dataset.Source, moved []eval.Moved, n int, picture func(query int64) (id int64, text string, known bool)) ([]chart.Picture, error) {
	var out []chart.Picture
	for _, m := range moved[:min(n, len(moved))] {
		id, text, known := picture(m.Query)
		if !known {
			return nil, fmt.Errorf("query %d has no picture in %s; take the comparison of this split", m.Query, split.Name())
		}
		p, better := pictureOf(split, id, fmt.Sprintf("%s: %d → %d", text, m.Before, m.After)), m.After < m.Before
		p.Right = &better
		out = append(out, p)
	}
	return out, nil
}
