package model_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// Raw features, logits both ways and the loss are the reference's.
func TestJointCallEqualsTheReference(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []string{"vit", "rn"} {
		m, err := model.New(golden.Config(t, kind), open(t))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		file, err := weights.Open(golden.Path(kind + "/init.pt"))
		if err == nil {
			defer file.Close()
			err = weights.Load(m, m.Config, file)
		}
		if err != nil {
			t.Fatal(err)
		}
		f := golden.Open(t, kind+"/forward_eval.safetensors")
		pixels, ids := golden.Values(t, f, "images"), golden.IDs(t, f, "texts")
		n := len(ids) / m.Config.ContextLength
		images, err := m.RawImages(ctx, pixels, n)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := m.RawTexts(ctx, ids, n)
		if err != nil {
			t.Fatal(err)
		}
		j, err := m.Together(ctx, pixels, n, ids, n)
		if err != nil {
			t.Fatal(err)
		}
		loss, err := j.Loss()
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string][]float32{
			"image_features_raw": images, "text_features_raw": texts, "image_features": j.Images, "text_features": j.Texts,
			"logits_per_image": slices.Concat(j.LogitsPerImage...), "logits_per_text": slices.Concat(j.LogitsPerText...),
			"logit_scale_exp": {float32(j.Scale)}, "loss": {float32(loss)},
		} {
			golden.Close(t, kind+", "+name, got, golden.Values(t, f, name), 1e-5)
		}
	}
}

func TestLossOfLargeLogits(t *testing.T) {
	j := model.Joint{LogitsPerImage: [][]float32{{1000, 0}, {0, 1000}}, LogitsPerText: [][]float32{{1000, 0}, {0, 1000}}}
	if loss, err := j.Loss(); err != nil || loss != 0 {
		t.Errorf("%v, %v", loss, err)
	}
	j.LogitsPerText[0] = []float32{0, 1000}
	if loss, err := j.Loss(); err != nil || math.Abs(loss-250) > 1e-9 {
		t.Errorf("%v, %v", loss, err)
	}
	j.LogitsPerText = j.LogitsPerText[:1]
	if _, err := j.Loss(); err == nil {
		t.Error("two pictures and one text have a loss")
	}
}
