package fullsize_test

import (
	"math"
	"testing"

	"clipnb/clipkit"
)

// Finetuning in bf16 ends where float32 ends: recall on the emoji set, and the loss. Two runs of some minutes: only with -full.
func TestBF16ConvergesAsFloat32(t *testing.T) {
	if !*full {
		t.Skip("without -full: two whole runs of emoji/finetune")
	}
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	ctx := t.Context()
	data, err := clipkit.OpenDataset(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	var loss, r5 []float64
	for _, precision := range []string{"f32", "bf16"} {
		r, err := clipkit.Recipe("emoji/finetune")
		if err != nil {
			t.Fatal(err)
		}
		cfg := r.Config
		cfg.Name, cfg.Precision = precision, precision
		m, err := clipkit.Load(ctx, "emoji")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		run, err := clipkit.Finetune(ctx, m, data, cfg)
		if err != nil {
			t.Fatal(err)
		}
		sum, n := 0.0, 0
		for _, r := range run.Rows {
			if r.Kind == "train" {
				sum, n = sum+r.Loss, n+1
			}
		}
		rep, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: mean loss %.4f over %d steps, text→image %+v, image→text %+v", precision, sum/float64(n), n, rep.TextToImage, rep.ImageToText)
		loss, r5 = append(loss, sum/float64(n)), append(r5, rep.TextToImage.R5+rep.ImageToText.R5)
	}
	if math.Abs(loss[0]-loss[1]) > 0.01*loss[0] {
		t.Errorf("mean losses %v", loss)
	}
	if math.Abs(r5[0]-r5[1])/2 > 2.2 { // what three seeds spread over in float32
		t.Errorf("sums of R@5 both ways %v", r5)
	}
}
