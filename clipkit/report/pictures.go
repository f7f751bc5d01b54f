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

// Sample takes n pictures of a split, evenly spread over it, each with its first caption. In place of one that cannot be read it takes the next that can, up to
// where another begins.
func Sample(split dataset.Source, n int) ([]chart.Picture, error) {
	of, ids := dataset.CaptionsByImage(split), split.ImageIDs()
	var out []chart.Picture
	var bad error
	at := spread(len(ids), n)
	for k, i := range at {
		end := len(ids)
		if k+1 < len(at) {
			end = at[k+1]
		}
		for _, id := range ids[i:end] {
			encoded, err := split.Image(id)
			if err == nil {
				_, err = imaging.Decode(encoded)
			}
			if err == nil {
				out = append(out, chart.Picture{Encoded: encoded, Caption: first(of[id])})
				break
			}
			if bad == nil {
				bad = fmt.Errorf("%s: %w", dataset.Label(split, id), err)
			}
		}
	}
	if len(out) == 0 && bad != nil {
		return nil, fmt.Errorf("no picture of %s can be read; the first is %w", split.Name(), bad)
	}
	return out, nil
}

// pictureOf is a picture of a split with a caption. In place of one that cannot be read any more there is the reason.
func pictureOf(split dataset.Source, id int64, caption string) chart.Picture {
	encoded, err := split.Image(id)
	if err != nil {
		caption = fmt.Sprintf("%s (%s: %v)", caption, dataset.Label(split, id), err)
	}
	return chart.Picture{Encoded: encoded, Caption: caption}
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
