package train

import (
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

func tiny(t testing.TB, kind string) *model.Model {
	t.Helper()
	dev, err := device.Open("cpu")
	if err != nil {
		t.Fatal(err)
	}
	cfg := golden.Config(t, kind)
	m, err := model.New(cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); dev.Close() })
	if err := weights.Load(m, cfg, golden.Open(t, kind+"/init.safetensors")); err != nil {
		t.Fatal(err)
	}
	return m
}

// recorded is a training record of the fixtures.
type recorded struct {
	Args struct {
		LR, WD, Beta1, Beta2, Eps float64
		Warmup                    int
		MaxSteps                  int `json:"max_steps"`
	}
	Steps []struct {
		LR, Loss, I2T, T2I float64
		Scale              float64 `json:"logit_scale_after_clamp"`
	}
}

// Five steps from the same weights on the same batches: loss, accuracy, scale and parameters follow PyTorch's.
// Tolerances come from float32_vs_float64.json: ten times the reference's own float32 noise.
func TestStepsEqualTheReference(t *testing.T) {
	for _, kind := range []string{"vit", "rn"} {
		for _, record := range []string{"train", "train_wd0.2"} {
			t.Run(kind+"/"+record, func(t *testing.T) {
				var r recorded
				golden.JSON(t, kind+"/"+record+".json", &r)
				cfg := Config{Beta1: r.Args.Beta1, Beta2: r.Args.Beta2, Epsilon: r.Args.Eps, WeightDecay: r.Args.WD}
				m := tiny(t, kind)
				s, err := NewStepper(m, cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				batches := golden.Open(t, kind+"/train_batches.safetensors")
				images, texts := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts")
				n, per := 5, len(images)/5
				for i := range n {
					ids := texts[i*len(texts)/n : (i+1)*len(texts)/n]
					want := r.Steps[i]
					lr := LearningRate(r.Args.LR, i, r.Args.Warmup, r.Args.MaxSteps)
					if math.Abs(lr-want.LR) > 1e-15 {
						t.Errorf("step %d: lr %v, want %v", i, lr, want.LR)
					}
					got, err := s.Step(images[i*per:(i+1)*per], ids, len(ids)/52, lr, 0)
					if err != nil {
						t.Fatal(err)
					}
					tolerance := 1e-4
					if kind == "rn" && i > 0 {
						tolerance = 2e-3 // after a step the ReLU kinks amplify rounding (fixtures' README)
					}
					if math.Abs(got.Loss-want.Loss) > tolerance*want.Loss || math.Abs(got.LogitScale-want.Scale) > 1e-4 {
						t.Errorf("step %d: loss %.6f scale %.6f, want %.6f %.6f", i, got.Loss, got.LogitScale, want.Loss, want.Scale)
					}
					if got.ImageToTextAcc != want.I2T || got.TextToImageAcc != want.T2I {
						t.Errorf("step %d: accuracies %v %v, want %v %v", i, got.ImageToTextAcc, got.TextToImageAcc, want.I2T, want.T2I)
					}
					if i == 0 && record == "train" {
						compareParameters(t, m, kind+"/train_after1.safetensors", 1e-4)
					}
				}
				after := kind + "/train_after5.safetensors"
				if record == "train_wd0.2" {
					after = kind + "/train_wd0.2_after5.safetensors"
				}
				if kind == "vit" {
					compareParameters(t, m, after, 1.5e-4)
				} else {
					compareParameters(t, m, after, 5e-3)
				}
			})
		}
	}
}

// compareParameters checks every tensor of the record except those whose gradient is only rounding noise (attention key biases) and
// the embedding rows that the record leaves out.
func compareParameters(t *testing.T, m *model.Model, file string, tolerance float64) {
	t.Helper()
	f := golden.Open(t, file)
	var rows []float32
	for _, name := range f.Names() {
		if name == "word_embedding_rows" {
			rows = golden.Values(t, f, name)
		}
	}
	compared := 0
	for _, name := range f.Names() {
		if name == "word_embedding_rows" || strings.HasSuffix(name, "key.bias") || strings.HasSuffix(name, "k_proj.bias") {
			continue
		}
		_, got, err := m.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		want := golden.Values(t, f, name)
		if strings.HasSuffix(name, "word_embeddings.weight") && len(want) != len(got) {
			width := m.Config.TextWidth
			var some []float32
			for _, r := range rows {
				some = append(some, got[int(r)*width:(int(r)+1)*width]...)
			}
			got = some
		}
		if strings.HasSuffix(name, "attn.in_proj_bias") { // its middle third is the key bias
			third := len(got) / 3
			got = append(append([]float32{}, got[:third]...), got[2*third:]...)
			want = append(append([]float32{}, want[:third]...), want[2*third:]...)
		}
		golden.Close(t, name, got, want, tolerance)
		compared++
	}
	if compared < 40 {
		t.Errorf("%s: only %d tensors compared", file, compared)
	}
}

func TestGroupsEqualTheReference(t *testing.T) {
	for _, kind := range []string{"vit", "rn"} {
		var want struct {
			NoDecay []string `json:"no_decay"`
			Decay   []string `json:"decay"`
		}
		golden.JSON(t, kind+"/param_groups.json", &want)
		var got []string
		for _, p := range Parameters(golden.Config(t, kind)) {
			got = append(got, p.Name)
		}
		if strings.Join(got, "\n") != strings.Join(append(want.NoDecay, want.Decay...), "\n") {
			t.Errorf("%s: order of parameters differs:\n%v\n%v %v", kind, got, want.NoDecay, want.Decay)
		}
	}
}

func TestScheduleEqualsTheReference(t *testing.T) {
	var records map[string]struct {
		LR       float64
		Warmup   int
		MaxSteps int `json:"max_steps"`
		Values   []float64
	}
	golden.JSON(t, "lr_schedule.json", &records)
	for name, r := range records {
		for s, want := range r.Values {
			if got := LearningRate(r.LR, s, r.Warmup, r.MaxSteps); math.Abs(got-want) > 1e-12*r.LR {
				t.Errorf("%s: lr at step %d is %v, want %v", name, s, got, want)
			}
		}
	}
}

func TestScaleIsClamped(t *testing.T) {
	m := tiny(t, "vit")
	if err := m.Set("logit_scale", nil, []float32{5}); err != nil {
		t.Fatal(err)
	}
	s, err := NewStepper(m, Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := golden.Open(t, "vit/train_batches.safetensors")
	res, err := s.Step(golden.Values(t, f, "images")[:4*3*32*32], make([]int32, 4*52), 4, 1e-3, 0)
	if err != nil || math.Abs(res.LogitScale-maxLogitScale) > 1e-6 {
		t.Errorf("scale %v, error %v", res.LogitScale, err)
	}
}
