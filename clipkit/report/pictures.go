package report

import (
	"fmt"
	"image"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
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

// Images decodes pictures, for clipkit.Classify and Model.EncodeImages.
func Images(pictures []chart.Picture) ([]image.Image, error) {
	var out []image.Image
	for i, p := range pictures {
		decoded, err := imaging.Decode(p.Encoded)
		if err != nil {
			return nil, fmt.Errorf("decoding picture %d of %d (%s): %w", i+1, len(pictures), p.Caption, err)
		}
		out = append(out, decoded.Image())
	}
	return out, nil
}

func first(captions []string) string {
	if len(captions) == 0 {
		return ""
	}
	return captions[0]
}
