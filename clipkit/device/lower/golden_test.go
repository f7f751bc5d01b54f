package lower_test

import (
	"context"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/weights"
)

// PyTorch's values, through Wrap: features, and the losses of five steps, plain and with two micro-batches each.
func TestGoldenValues(t *testing.T) {
	_, lowered, seen := open(t, true)
	cfg := golden.Config(t, "vit")
	m := newModel(t, cfg, lowered, model.F32)
	load := func() {
		if err := weights.Load(m, cfg, golden.Open(t, "vit/init.pt")); err != nil {
			t.Fatal(err)
		}
	}
	close := func(what string, got, want []float32, limit float64) {
		_, rel := golden.Difference(got, want)
		t.Logf("%s: relative difference %.2g", what, rel)
		if !(rel <= limit) {
			t.Errorf("%s differ by %.2g of the largest value, limit %.1g", what, rel, limit)
		}
	}
	load()
	f := golden.Open(t, "vit/forward_eval.safetensors")
	images, err := m.EncodeImages(context.Background(), golden.Values(t, f, "images"), 4)
	if err != nil {
		t.Fatal(err)
	}
	close("image features", images, golden.Values(t, f, "image_features"), 2e-6)
	texts, err := m.EncodeTexts(context.Background(), golden.IDs(t, f, "texts"), 4)
	if err != nil {
		t.Fatal(err)
	}
	close("text features", texts, golden.Values(t, f, "text_features"), 2e-6)

	b := golden.Open(t, "vit/train_batches.safetensors")
	pixels, ids := golden.Values(t, b, "images"), golden.IDs(t, b, "texts")
	for name, freq := range map[string]int{"train": 1, "accum2": 2} {
		load()
		var record struct {
			Args  struct{ WD, Beta1, Beta2, Eps float64 }
			Steps []struct {
				LR, Loss float64
				Scale    float64 `json:"logit_scale_after_clamp"`
			}
		}
		golden.JSON(t, "vit/"+name+".json", &record)
		a := record.Args
		s, err := step.New(m, step.Config{Beta1: a.Beta1, Beta2: a.Beta2, Epsilon: a.Eps, WeightDecay: a.WD, AccumFreq: freq})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []float32
		n := 4 * freq
		for i, step := range record.Steps {
			r, x := len(pixels)/20*n, len(ids)/20*n
			res, err := s.Step(pixels[i*r:(i+1)*r], ids[i*x:(i+1)*x], n, step.LR, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, want = append(got, float32(res.Loss), float32(res.LogitScale)), append(want, float32(step.Loss), float32(step.Scale))
		}
		s.Close()
		close(name, got, want, 2e-6)
	}
	seen.taken(t)
}
