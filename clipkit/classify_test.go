package clipkit_test

import (
	"errors"
	"fmt"
	"image"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/report"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/zeroshot"
)

const zeroShotFixtures = "zeroshot/testdata/zeroshot"

// Labels, pictures and templates of the fixtures give the reference's classifier, logits and probabilities.
func TestZeroShotIsTheReferences(t *testing.T) {
	m := loadAs(t, golden.Path("vit/init.pt"), clipkit.As(golden.Path("tiny-vit.json"), golden.Path("tiny-text.json")))
	set, err := zeroshot.Open(zeroShotFixtures)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	expected, err := weights.Open(zeroShotFixtures + "/expected.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer expected.Close()
	for name, x := range map[string]struct{ dataset, saved, top1 string }{
		"openai": {"cifar-10", "cifar-10.json", "zeroshot-top1: 0.2"},
		"food":   {"food-101", "food-101.json", "zeroshot-top1: 0.26666666666666666"},
	} {
		templates, err := zeroshot.ReadTemplates(zeroShotFixtures+"/templates.json", "", x.dataset)
		if err != nil {
			t.Fatal(err)
		}
		c, err := zeroshot.NewClassifier(ctx, exchange.Alone, m.Towers, set.Labels(), templates, 52, nil)
		if err != nil {
			t.Fatal(err)
		}
		across := make([]float32, len(c.Vectors)) // [width, classes], as the reference keeps it
		for class := range set.Labels() {
			for k := range c.Dim {
				across[k*len(set.Labels())+class] = c.Vectors[class*c.Dim+k]
			}
		}
		golden.Close(t, "zero-shot classifier, "+name, across, golden.Values(t, expected, name+"/classifier"), 1e-5)
		logits, err := c.Logits(imageFeatures(t, m, set))
		if err != nil {
			t.Fatal(err)
		}
		want := golden.Values(t, expected, name+"/logits")
		golden.Close(t, "zero-shot logits, "+name, logits, want, 1e-5)
		if abs, _ := golden.Difference(logits, want); !(abs <= 1e-4) {
			t.Errorf("%s: logits differ by %g", name, abs)
		}

		p := zeroshot.NewPredictions(x.dataset, m.Towers.Config)
		z, err := clipkit.EvaluateZeroShot(ctx, m, set, zeroshot.Options{Templates: templates, Predictions: p})
		if err != nil {
			t.Fatal(err)
		}
		if z.ReferenceLine() != x.top1 || z.Templates != len(templates) || z.Pictures != 15 {
			t.Errorf("%s: %s, %+v", name, z.ReferenceLine(), z)
		}
		saved, err := zeroshot.ReadPredictions(zeroShotFixtures + "/out/" + x.saved)
		if err != nil {
			t.Fatal(err)
		}
		if p.Model != saved.Model || p.Params != saved.Params || p.VisualParams != saved.VisualParams || len(p.Probabilities) != 15 {
			t.Errorf("%s: %+v", name, p)
		}
		for i, row := range saved.Probabilities {
			if abs, _ := golden.Difference(p.Probabilities[i], row); !(abs <= 1e-5) {
				t.Errorf("%s: probabilities of picture %d differ by %g", name, i, abs)
			}
		}
	}
}

// imageFeatures encodes a small set in the order of the reference's image folders.
func imageFeatures(t *testing.T, m *clipkit.Model, set zeroshot.Set) []float32 {
	t.Helper()
	var pixels []float32
	for i := range set.Len() {
		p, err := set.Picture(i)
		if err != nil {
			t.Fatal(err)
		}
		pixels = append(pixels, imaging.Normalise(p.RGB().Resize(m.Towers.Config.ImageResolution, m.Towers.Config.ImageResolution))...)
	}
	features, err := m.Towers.EncodeImages(ctx, pixels, set.Len())
	if err != nil {
		t.Fatal(err)
	}
	return features
}

// The embedded model names pictures of a style that it has not seen far better than chance, which is 0.2 % among 500 names.
func TestEmbeddedModelClassifies(t *testing.T) {
	inFreshRoot(t)
	m, set := load(t, "emoji"), clipkit.Must(zeroshot.Open("emoji"))
	z, err := clipkit.EvaluateZeroShot(ctx, m, set, zeroshot.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", z)
	if z.Pictures != 500 || len(z.Labels) != 500 || z.Top1() < 5 || z.Top5() < z.Top1() {
		t.Errorf("%s", z)
	}
	if table := report.Classes(z, 3).HTML(); strings.Count(table, "<tr") != 4 {
		t.Error(table)
	}
	if _, err := clipkit.EvaluateZeroShot(ctx, m, set, zeroshot.Options{Labels: []string{"猫", "狗"}}); !errors.Is(err, zeroshot.ErrInput) {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	inFreshRoot(t)
	m, data := load(t, "emoji"), emoji(t)
	set := zeroshot.ByCaption(data.Test, func(captions []string) string {
		switch name := captions[0]; {
		case strings.Contains(name, "旗："):
			return "旗"
		case strings.HasSuffix(name, "心"):
			return "爱心"
		}
		return ""
	})
	labels := []string{"爱心", "旗", "车"}
	var pictures []image.Image
	var want []string
	for i := range set.Len() {
		p, err := set.Picture(i)
		if err != nil {
			t.Fatal(err)
		}
		pictures, want = append(pictures, p.Image()), append(want, set.Labels()[set.Class(i)])
	}
	guesses, err := clipkit.Classify(ctx, m, pictures, labels, zeroshot.ChineseTemplates...)
	if err != nil || len(guesses) != len(pictures) {
		t.Fatal(len(guesses), err)
	}
	right := 0
	for i, g := range guesses {
		var sum float32
		for k := range g {
			sum += g[k].Probability
			if k > 0 && g[k].Probability > g[k-1].Probability {
				t.Errorf("picture %d: %v is not in order", i, g)
			}
		}
		if len(g) != 3 || math.Abs(float64(sum)-1) > 1e-5 {
			t.Errorf("picture %d: %v", i, g)
		}
		if g[0].Label == want[i] {
			right++
		}
	}
	if t.Logf("%d of %d right", right, len(pictures)); len(pictures) < 60 || 2*right < len(pictures) {
		t.Errorf("%d of %d right", right, len(pictures))
	}
	if _, err := clipkit.Classify(ctx, m, pictures, labels[:1]); !errors.Is(err, zeroshot.ErrInput) {
		t.Error(err)
	}
	if _, err := clipkit.Classify(ctx, m, pictures, labels, "照片"); !errors.Is(err, zeroshot.ErrInput) {
		t.Error(err)
	}
	if none, err := clipkit.Classify(ctx, m, nil, labels); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}

// The embedded model is clearly better than random weights, and the queries that moved can be shown.
func TestCompareModels(t *testing.T) {
	inFreshRoot(t)
	m, data := load(t, "emoji"), emoji(t)
	random, err := clipkit.New(ctx, "emoji", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(random.Close)
	c, err := clipkit.Compare(ctx, random, m, data.Test)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", c)
	if d := c.TextToImage; d.Queries != 2500 || d.Clusters != 500 || !d.R5.Clear() || d.R5.Difference() < 5 || len(d.Improved) < 2000 {
		t.Errorf("%v", c)
	}
	if table := report.Comparison(c).HTML(); strings.Count(table, "✓") < 4 {
		t.Error(table)
	}
	texts, err := report.MovedTexts(data.Test, c.TextToImage.Improved, 6)
	if err != nil || len(texts) != 6 || !*texts[0].Right || !strings.Contains(texts[0].Caption, " → 1") {
		t.Errorf("%+v, %v", texts, err)
	}
	images, err := report.MovedImages(data.Test, c.ImageToText.Worsened, 6)
	if err != nil || len(images) == 0 || *images[0].Right {
		t.Errorf("%+v, %v", images, err)
	}
}

func ExampleClassify() {
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	m := clipkit.Must(clipkit.Load(ctx, "emoji"))
	defer m.Close()
	picture := clipkit.Must(report.Sample(data.Test, 1))[0]
	p := clipkit.Must(imaging.Decode(picture.Encoded))
	guesses := clipkit.Must(clipkit.Classify(ctx, m, []image.Image{p.Image()}, []string{"动物", "按键", "车"}, zeroshot.ChineseTemplates...))
	fmt.Println(picture.Caption)
	fmt.Println(guesses[0][0].Label)
	// Output:
	// 按键：1
	// 按键
}
