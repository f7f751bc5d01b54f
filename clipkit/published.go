package clipkit

import (
	"fmt"
	"math"
	"strings"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
)

// SeedResults are the rows of the seed's document (SPEC §9.5) with its two columns of accuracy put right: it has them the wrong way round
// (SPEC §9.6).
func SeedResults() []Result {
	row := func(model, name string, text, image, fps float64, batch int) Result {
		return Result{Model: model, Name: name, Data: "Flickr30k-CN", TextToImage: r5(text), ImageToText: r5(image), FPS: fps, Epochs: 3, BatchSize: batch, Status: "published"}
	}
	return []Result{
		row("vit-b", "8p-NPU", 94.76, 98.7, 2280.00, 128),
		row("vit-b", "8p-竞品V", 94.63, 98.97, 2512.40, 128),
		row("vit-h", "8p-NPU", 95.18, 98.7, 316.07, 32),
		row("vit-h", "8p-竞品V", 95.34, 99.4, 348.13, 32),
	}
}

// SeedTable is the seed's table as its document prints it: what it calls image_to_text is text→image, and the other way round.
func SeedTable() chart.Figure {
	var rows [][]string
	for _, r := range SeedResults() {
		rows = append(rows, []string{r.Model, r.Name, fmt.Sprint(r.TextToImage.R5), fmt.Sprint(r.ImageToText.R5), figure(r.FPS, 2), fmt.Sprint(r.Epochs), fmt.Sprint(r.BatchSize)})
	}
	return chart.Table([]string{"pretrain_model", "NAME", "image_to_text_R@5", "text_to_image_R@5", "FPS", "Epochs", "batch_size"}, rows)
}

// published is a model's row of a published retrieval table, percent. What is zero was not published.
type published struct {
	model               string
	zeroText, zeroImg   experiment.Recall // text→image and image→text before finetuning
	tunedText, tunedImg experiment.Recall
}

// The retrieval tables of the reference's documents (SPEC §6.6): its five models, then others that it compares itself with.
var (
	muge = []published{
		{model: "RN50", zeroText: withMean(42.6, 68.6, 77.9, 63.0), tunedText: withMean(48.6, 75.1, 84.0, 69.2)},
		{model: "ViT-B-16", zeroText: withMean(52.1, 76.7, 84.4, 71.1), tunedText: withMean(58.4, 83.6, 90.0, 77.4)},
		{model: "ViT-L-14", zeroText: withMean(56.3, 79.8, 86.2, 74.1), tunedText: withMean(63.3, 85.6, 91.3, 80.1)},
		{model: "ViT-L-14-336", zeroText: withMean(59.0, 81.4, 87.8, 76.1), tunedText: withMean(65.3, 86.7, 92.1, 81.3)},
		{model: "ViT-H-14", zeroText: withMean(63.0, 84.1, 89.2, 78.8), tunedText: withMean(68.9, 88.7, 93.1, 83.6)},
		{model: "Wukong", zeroText: withMean(42.7, 69.0, 78.0, 63.2), tunedText: withMean(52.7, 77.9, 85.6, 72.1)},
		{model: "R2D2", zeroText: withMean(49.5, 75.7, 83.2, 69.5), tunedText: withMean(60.1, 82.9, 89.4, 77.5)},
	}
	flickr = []published{
		{"RN50", recall(48.8, 76.0, 84.6), recall(60.0, 85.9, 92.0), recall(66.7, 89.4, 94.1), recall(84.2, 96.7, 98.0)},
		{"ViT-B-16", recall(62.7, 86.9, 92.8), recall(74.6, 93.5, 97.1), recall(79.1, 94.8, 97.4), recall(93.5, 99.0, 99.5)},
		{"ViT-L-14", recall(68.0, 89.7, 94.4), recall(80.2, 96.6, 98.2), recall(82.7, 96.7, 98.6), recall(96.1, 99.5, 99.9)},
		{"ViT-L-14-336", recall(69.0, 90.7, 95.4), recall(83.3, 97.2, 98.5), recall(84.4, 97.1, 98.7), recall(96.6, 99.8, 100.0)},
		{"ViT-H-14", recall(71.2, 91.4, 95.5), recall(81.6, 97.5, 98.8), recall(83.8, 96.9, 98.6), recall(95.3, 99.7, 100.0)},
		{"Wukong", recall(51.7, 78.9, 86.3), recall(76.1, 94.8, 97.5), recall(77.4, 94.5, 97.0), recall(92.7, 99.1, 99.6)},
		{model: "Taiyi", zeroText: recall(60.8, 85.0, 91.0)},
		{"R2D2", recall(60.9, 86.8, 92.7), recall(77.6, 96.7, 98.9), recall(84.4, 96.7, 98.4), recall(95.6, 99.8, 100.0)},
	}
	cocoCN = []published{
		{"RN50", recall(48.1, 81.3, 90.5), recall(51.6, 81.2, 90.5), recall(66.8, 91.1, 97.0), recall(68.4, 93.3, 97.8)},
		{"ViT-B-16", recall(62.2, 86.6, 94.9), recall(57.0, 84.1, 93.6), recall(77.0, 97.1, 99.0), recall(77.4, 96.2, 98.9)},
		{"ViT-L-14", recall(64.0, 89.2, 94.4), recall(60.4, 84.2, 92.9), recall(78.9, 96.3, 99.0), recall(80.2, 96.7, 99.2)},
		{"ViT-L-14-336", recall(64.7, 89.6, 94.6), recall(63.4, 87.2, 94.4), recall(80.1, 96.7, 99.2), recall(81.2, 97.2, 99.1)},
		{"ViT-H-14", recall(69.2, 89.9, 96.1), recall(63.0, 86.6, 92.9), recall(81.5, 96.9, 99.1), recall(83.5, 97.3, 99.2)},
		{"Wukong", recall(53.4, 80.2, 90.1), recall(55.2, 81.0, 90.6), recall(74.0, 94.4, 98.1), recall(73.3, 94.0, 98.0)},
		{model: "Taiyi", zeroText: recall(60.0, 84.0, 93.3)},
		{"R2D2", recall(56.4, 85.0, 93.1), recall(63.3, 89.3, 95.7), recall(79.1, 96.5, 98.9), recall(79.3, 97.1, 98.7)},
	}
)

// zeroShotTasks and zeroShot are the published table of zero-shot classification (SPEC §6.6), percent; "–" was not published. The reference's
// README has another row, "CN-CLIP", which mixes these of its five models.
var (
	zeroShotTasks = []string{"CIFAR10", "CIFAR100", "DTD", "EuroSAT", "FER", "FGVC", "KITTI", "MNIST", "PC", "VOC", "ImageNet"}
	zeroShot      = [][]string{
		{"RN50", "72.7", "40.6", "36.9", "27.0", "21.9", "5.4", "30.2", "50.2", "47.7", "82.1", "33.5"},
		{"ViT-B-16", "92.0", "64.4", "43.6", "46.9", "47.2", "12.8", "33.5", "67.6", "54.0", "83.3", "48.3"},
		{"ViT-L-14", "94.9", "75.1", "44.2", "56.9", "54.6", "16.0", "49.9", "69.8", "63.5", "84.5", "54.7"},
		{"ViT-L-14-336", "94.1", "73.5", "43.8", "50.7", "55.1", "17.1", "49.8", "65.0", "62.9", "84.9", "56.7"},
		{"ViT-H-14", "96.0", "79.7", "51.2", "52.0", "49.2", "26.2", "39.1", "79.4", "52.4", "84.9", "59.6"},
		{"GIT", "88.5", "61.1", "42.9", "43.4", "41.4", "6.7", "22.1", "68.9", "50.0", "80.2", "–"},
		{"ALIGN", "94.9", "76.8", "66.1", "52.1", "50.8", "25.0", "41.2", "74.0", "55.2", "83.0", "–"},
		{"CLIP", "94.9", "77.0", "56.0", "63.0", "48.3", "33.3", "11.5", "79.0", "62.3", "84.0", "–"},
		{"Wukong", "95.4", "77.1", "40.9", "50.3", "–", "–", "–", "–", "–", "–", "–"},
	}
)

func withMean(r1, r5, r10, mean float64) experiment.Recall {
	return experiment.Recall{R1: r1, R5: r5, R10: r10, Mean: mean}
}

// publishedRows are the rows of a set's table. Those of emoji are the small model's own, from its recipe.
func publishedRows(set string) ([]published, error) {
	if set == "emoji" {
		r := emojiRecipes()[0].Reaches
		return []published{{"emoji", r[1].TextToImage, r[1].ImageToText, r[0].TextToImage, r[0].ImageToText}}, nil
	}
	if p, ok := dataset.FindPublished(set); ok {
		return map[string][]published{"MUGE": muge, "Flickr30k-CN": flickr, "COCO-CN": cocoCN}[p.Name], nil
	}
	return nil, fmt.Errorf("%w: no results of %q are published; there are those of MUGE, Flickr30k-CN, COCO-CN and emoji", dataset.ErrNotFound, set)
}

// PublishedTable lists the published recalls on a set ("MUGE", "Flickr30k-CN", "COCO-CN", or "emoji" for the embedded one), percent, before
// and after finetuning. "–" was not published.
func PublishedTable(set string) (chart.Figure, error) {
	all, err := publishedRows(set)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for _, p := range all {
		for _, s := range p.stages() {
			line := []string{p.model, s.zh + " · " + s.en}
			for _, v := range []float64{s.text.R1, s.text.R5, s.text.R10, s.text.Mean, s.img.R1, s.img.R5, s.img.R10} {
				line = append(line, figure(v, 1))
			}
			lines = append(lines, line)
		}
	}
	return chart.Table([]string{set, "", "文→图 · text→image R@1", "R@5", "R@10", "MR", "图→文 · image→text R@1", "R@5", "R@10"}, lines), nil
}

// PublishedChart draws the published recalls of the reference's models on a set as outlines, after finetuning or before it. Beside them, as full
// bars, stand those of measured that are of this set, which are all of finetuned models; one of the same model has its colour.
func PublishedChart(set string, finetuned bool, measured ...Result) (*chart.Chart, error) {
	all, err := publishedRows(set)
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
		s := p.stages()[at]
		named = append(named, chart.Named{Name: p.model + " " + s.en, TextToImage: orNone(s.text), ImageToText: orNone(s.img), Published: true})
	}
	return chart.RecallBars(named...), nil
}

// PublishedZeroShot is the published table of zero-shot classification: top-1 accuracy, percent.
func PublishedZeroShot() chart.Figure {
	return chart.Table(append([]string{"top-1 %"}, zeroShotTasks...), zeroShot)
}

type stage struct {
	zh, en    string
	text, img experiment.Recall
}

func (p published) stages() []stage {
	return []stage{{"零样本", "zero-shot", p.zeroText, p.zeroImg}, {"微调", "finetuned", p.tunedText, p.tunedImg}}
}

func sameSet(name, set string) bool {
	p, known := dataset.FindPublished(name)
	q, _ := dataset.FindPublished(set)
	return strings.EqualFold(name, set) || known && p.Name == q.Name
}

// orNone makes a recall that was not published one without bars.
func orNone(r experiment.Recall) experiment.Recall {
	if r == (experiment.Recall{}) {
		return recall(math.NaN(), math.NaN(), math.NaN())
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
