package report

import (
	"fmt"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/projection"
)

// Map draws the pictures of a split in the plane that keeps most of their features' variance (package projection); a picture shows beside the
// pointer. It takes n of them, evenly spread over the split, and says how much of the variance is kept.
func Map(f *eval.Features, split dataset.Source, n int) (*chart.Chart, error) {
	points, _, err := projection.PCA(f.Images, f.Dim)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", split.Name(), err)
	}
	at := spread(len(points), n)
	chosen := make([][2]float64, len(at))
	for k, i := range at {
		chosen[k] = points[i]
	}
	return chart.Map(chosen, nil, picturesAt(f, split, at)), nil
}

// Heatmap draws the cosines of n pictures, evenly spread over a split, with the first captions of each.
func Heatmap(f *eval.Features, split dataset.Source, n int) (*chart.Chart, error) {
	texts := split.Texts()
	if len(texts) != len(f.TextIDs) {
		return nil, fmt.Errorf("cosines of %s: it has %d texts, and the features are of %d; take the features of this split", split.Name(), len(texts), len(f.TextIDs))
	}
	at := spread(len(f.ImageIDs), n)
	textAt := make(map[int64]int, len(f.TextIDs)) // the first caption of a picture, by its row
	for row, t := range texts {
		for _, id := range t.ImageIDs {
			if _, known := textAt[id]; !known {
				textAt[id] = row
			}
		}
	}
	var columns []string
	var rows []int
	for _, i := range at {
		if row, ok := textAt[f.ImageIDs[i]]; ok {
			columns, rows = append(columns, texts[row].Text), append(rows, row)
		}
	}
	values := make([][]float64, len(at))
	for k, i := range at {
		for _, row := range rows {
			values[k] = append(values[k], cosine(f.Images, f.Texts, f.Dim, i, row))
		}
	}
	return chart.Heatmap(values, picturesAt(f, split, at), columns), nil
}

// Similarities draws how the cosines of captions with their own pictures and with others are spread, and the threshold that parts them best: what a
// cosine of this model is worth. It takes the sample that the retrieval page takes (explore.SampleScores).
func Similarities(f *eval.Features, split dataset.Source) (*chart.Chart, error) {
	scores, err := explore.SampleScores(split.Texts(), func(textIDs, imageIDs []int64) (byText, byImage map[int64][]float32, err error) {
		return byID(f.TextIDs, f.Texts, f.Dim), byID(f.ImageIDs, f.Images, f.Dim), nil
	})
	if err != nil {
		return nil, fmt.Errorf("scores of %s: %w", split.Name(), err)
	}
	threshold, _, _ := scores.Threshold()
	return chart.Similarities(float64s(scores.Right), float64s(scores.Other), threshold), nil
}

// byID finds a row of vectors by its id.
func byID(ids []int64, vectors []float32, dim int) map[int64][]float32 {
	of := make(map[int64][]float32, len(ids))
	for i, id := range ids {
		of[id] = vectors[i*dim : (i+1)*dim]
	}
	return of
}

func float64s(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// spread is n of the numbers below total, evenly spread.
func spread(total, n int) []int {
	n = min(n, total)
	out := make([]int, n)
	for k := range out {
		out[k] = k * total / n
	}
	return out
}

// picturesAt gives the pictures of some rows of the features, each with its first caption.
func picturesAt(f *eval.Features, split dataset.Source, at []int) []chart.Picture {
	of := dataset.CaptionsByImage(split)
	out := make([]chart.Picture, len(at))
	for k, i := range at {
		out[k] = pictureOf(split, f.ImageIDs[i], first(of[f.ImageIDs[i]]))
	}
	return out
}

// cosine is that of a picture's and a text's unit vectors.
func cosine(images, texts []float32, dim, image, text int) (sum float64) {
	a, b := images[image*dim:(image+1)*dim], texts[text*dim:(text+1)*dim]
	for k := range a {
		sum += float64(a[k]) * float64(b[k])
	}
	return sum
}
