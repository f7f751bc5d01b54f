package report

import (
	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/page"
)

// Hits makes hits of a search ready for chart.Grid, each with its first caption.
func Hits(hits []page.Hit) []chart.Picture {
	var out []chart.Picture
	for _, h := range hits {
		out = append(out, chart.Picture{Encoded: h.Encoded, Caption: first(h.Captions), Score: float64(h.Score)})
	}
	return out
}

// Sample takes n pictures of a split, evenly spread over it, each with its first caption.
func Sample(split dataset.Source, n int) ([]chart.Picture, error) {
	of, ids := dataset.CaptionsByImage(split), split.ImageIDs()
	var out []chart.Picture
	for _, i := range spread(len(ids), n) {
		id := ids[i]
		encoded, err := split.Image(id)
		if err != nil {
			return nil, err
		}
		out = append(out, chart.Picture{Encoded: encoded, Caption: first(of[id])})
	}
	return out, nil
}

func first(captions []string) string {
	if len(captions) == 0 {
		return ""
	}
	return captions[0]
}
