package step

import (
	"fmt"
	"math"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/lossscale"
)

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

func record(t *testing.T, kind, name string) (r recorded) {
	t.Helper()
	golden.JSON(t, kind+"/"+name+".json", &r)
	return r
}

// stepper with the optimizer of a record; change may set more.
func stepper(t *testing.T, m *model.Model, r recorded, change func(*Config)) *Stepper {
	t.Helper()
	cfg := Config{Beta1: r.Args.Beta1, Beta2: r.Args.Beta2, Epsilon: r.Args.Eps, WeightDecay: r.Args.WD}
	if change != nil {
		change(&cfg)
	}
	s, err := New(m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// restart puts a used stepper at the beginning of a record, with the first weights and no moments: compiling is what takes long.
func restart(t *testing.T, s *Stepper, kind string, r recorded) {
	t.Helper()
	modeltest.Load(t, s.model, kind+"/init.pt")
	for _, p := range s.params {
		for _, moment := range MomentPrefixes {
			if err := s.model.Set(moment+p.Name, p.Shape, make([]float32, p.Size())); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.steps, s.config.WeightDecay = 0, r.Args.WD
	if s.scaled() {
		s.scale = lossscale.State{Factor: lossscale.First}
	}
	if a := r.Args; a.Beta1 != s.config.Beta1 || a.Beta2 != s.config.Beta2 || a.Eps != s.config.Epsilon {
		t.Fatalf("the record's optimizer %+v is not the stepper's", a)
	}
}

// follow makes the steps of a record, each on n pairs, and compares what they report; after is called with the number of steps done.
func follow(t *testing.T, s *Stepper, r recorded, lossLimit float64, images []float32, ids []int32, n int, after func(steps int)) {
	t.Helper()
	pixels, tokens := 3*s.model.Config.ImageResolution*s.model.Config.ImageResolution, 52
	for i, want := range r.Steps {
		lr := adamw.LearningRate(r.Args.LR, i, r.Args.Warmup, r.Args.MaxSteps)
		if math.Abs(lr-want.LR) > 1e-15 {
			t.Errorf("step %d: lr %v, want %v", i+1, lr, want.LR)
		}
		got, err := s.Step(images[i*n*pixels:(i+1)*n*pixels], ids[i*n*tokens:(i+1)*n*tokens], n, lr, 0)
		if err != nil {
			t.Fatal(err)
		}
		abs := math.Abs(got.Loss - want.Loss)
		golden.Parity(t, fmt.Sprintf("loss of step %d", i+1), 1, abs, abs/want.Loss, lossLimit/want.Loss)
		abs = math.Abs(got.LogitScale - want.Scale)
		golden.Parity(t, fmt.Sprintf("logit_scale after step %d", i+1), 1, abs, abs/max(want.Scale, 1), 1e-6)
		if got.ImageToTextAcc != want.I2T || got.TextToImageAcc != want.T2I {
			t.Errorf("step %d: accuracies %v %v, want %v %v", i+1, got.ImageToTextAcc, got.TextToImageAcc, want.I2T, want.T2I)
		}
		if after != nil {
			after(i + 1)
		}
	}
}

// Five steps from the same weights on the same batches: loss, accuracies, scale, gradients and parameters follow PyTorch's.
func TestStepsEqualTheReference(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"vit", "rn"} {
		s, done := shared(t, graphsOf{kind: kind}, record(t, kind, "train"))
		m := s.model
		batches := golden.Open(t, kind+"/train_batches.safetensors")
		images, texts := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts")
		noise := readNoise(t, kind, "train")

		t.Run(kind+"/train", func(t *testing.T) {
			r := record(t, kind, "train")
			restart(t, s, kind, r)
			follow(t, s, r, noise.loss(), images, texts, 4, func(steps int) {
				switch steps {
				case 1: // the first moment is (1 − β1) of the gradient
					golden.CloseTensors(t, m.Config.TextWidth, kind, "train_grads0", noise.gradient, func(name string) []float32 {
						moment := modeltest.Values(t, m, MomentPrefixes[0]+name)
						for i := range moment {
							moment[i] = float32(float64(moment[i]) / (1 - s.config.Beta1))
						}
						return moment
					})
					compareParameters(t, m, kind, "train_after1", noise.parameter("1"))
				case 2:
					compareParameters(t, m, kind, "train_after2", noise.parameter("2"))
				case 5:
					compareParameters(t, m, kind, "train_after5", noise.parameter("5"))
				}
			})
		})
		t.Run(kind+"/weight decay", func(t *testing.T) {
			r, noise := record(t, kind, "train_wd0.2"), readNoise(t, kind, "train_wd0.2")
			restart(t, s, kind, r)
			follow(t, s, r, noise.loss(), images, texts, 4, nil)
			compareParameters(t, m, kind, "train_wd0.2_after5", noise.parameter("5"))
		})
		t.Run(kind+"/clamp at 0", func(t *testing.T) {
			r := record(t, kind, "clamp_low")
			restart(t, s, kind, r)
			modeltest.SetScalar(t, m, "logit_scale", 0.0003)
			follow(t, s, r, noise.loss(), images, texts, 4, nil)
		})
		if kind == "vit" {
			t.Run(kind+"/clamp at 100", func(t *testing.T) { // two pairs a step: on the engine that need not compile for them
				r, m := record(t, kind, "clamp_high"), modeltest.Tiny(t, "cpu:go", kind)
				s := stepper(t, m, r, nil)
				modeltest.SetScalar(t, m, "logit_scale", 4.6051)
				f := golden.Open(t, "vit/clamp_high_batches.safetensors")
				follow(t, s, r, noise.loss(), golden.Values(t, f, "images"), golden.IDs(t, f, "texts"), 2, nil)
			})
		}
		done()
	}
}
