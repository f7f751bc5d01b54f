package results

import (
	"fmt"
	"math"
	"strings"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/recipe"
)

// PublishedTable lists the published recalls on a set ("MUGE", "Flickr30k-CN", "COCO-CN", or "emoji" for the embedded one), percent, before
// and after finetuning. "–" was not published.
func PublishedTable(set string) (chart.Figure, error) {
	all, err := recipe.PublishedOn(set)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for _, p := range all {
		for _, s := range stages(p) {
			line := []string{p.Model, s.zh + " · " + s.en}
			for _, v := range []float64{s.TextToImage.R1, s.TextToImage.R5, s.TextToImage.R10, s.TextToImage.Mean, s.ImageToText.R1, s.ImageToText.R5, s.ImageToText.R10} {
				line = append(line, figure(v, 1))
			}
			lines = append(lines, line)
		}
	}
	const texts, images = "文→图 · text→image (%)\n", "图→文 · image→text (%)\n"
	return chart.Table([]string{set, "", texts + "R@1", texts + "R@5", texts + "R@10", texts + "MR", images + "R@1", images + "R@5", images + "R@10"}, lines), nil
}

// PublishedChart draws the published recalls of the reference's models on a set as outlines, after finetuning or before it. Beside them, as full
// bars, stand those of measured that are of this set, which are all of finetuned models; one of the same model has its colour.
func PublishedChart(set string, finetuned bool, measured ...Row) (*chart.Chart, error) {
	all, err := recipe.PublishedOn(set)
	if err != nil {
		return nil, err
	}
	var named []chart.Named
	at := 0
	if finetuned {
		at = 1
		for _, r := range measured {
			if r.Measured() && sameSet(r.Data, set) {
				named = append(named, chart.Named{Name: r.Model + " finetuned", TextToImage: orNone(r.TextToImage), ImageToText: orNone(r.ImageToText)})
			}
		}
	}
	for _, p := range all[:min(5, len(all))] {
		s := stages(p)[at]
		named = append(named, chart.Named{Name: p.Model + " " + s.en, TextToImage: orNone(s.TextToImage), ImageToText: orNone(s.ImageToText), Published: true})
	}
	return chart.RecallBars(named...), nil
}

// PublishedZeroShot is the published table of zero-shot classification: top-1 accuracy, percent.
func PublishedZeroShot() chart.Figure {
	return chart.Table(append([]string{"top-1 %"}, recipe.ZeroShotTasks...), recipe.ZeroShot)
}

type stage struct {
	zh, en string
	recipe.Recalls
}

func stages(p recipe.Published) []stage {
	return []stage{{"零样本", "zero-shot", p.ZeroShot}, {"微调", "finetuned", p.Finetuned}}
}

func sameSet(name, set string) bool {
	p, known := dataset.FindPublished(name)
	q, _ := dataset.FindPublished(set)
	return strings.EqualFold(name, set) || known && p.Name == q.Name
}

// orNone makes a recall that was not published one without bars.
func orNone(r experiment.Recall) experiment.Recall {
	if r == (experiment.Recall{}) {
		return experiment.Recall{R1: math.NaN(), R5: math.NaN(), R10: math.NaN()}
	}
	return r
}

// figure is v with so many decimals, or "–" for what nobody gave.
func figure(v float64, decimals int) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", decimals, v)
}
