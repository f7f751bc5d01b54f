package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// The factor moves as torch.cuda.amp.GradScaler's: doubled after 2000 good steps in a row, halved by a bad one.
func TestLossScaleMoves(t *testing.T) {
	s := LossScale{Factor: firstFactor}
	for range 1999 {
		s = s.after(true)
	}
	if s != (LossScale{65536, 1999}) {
		t.Fatalf("after 1999 good steps: %+v", s)
	}
	if got := s.after(false); got != (LossScale{32768, 0}) {
		t.Errorf("a bad step makes %+v", got)
	}
	if s = s.after(true); s != (LossScale{131072, 0}) {
		t.Errorf("after 2000 good steps: %+v", s)
	}
	if got := (LossScale{Factor: largest, Good: 1999}).after(true); got != (LossScale{largest, 0}) {
		t.Errorf("beyond float32: %+v", got)
	}
}

// A factor that is too large leaves the step out and is halved; the model, the moments and the count of updates stay.
func TestOverflowSkipsTheStep(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"cpu:xla", "cpu:onnx"} {
		for name, freq := range map[string]int{"plain": 1, "accumulated": 2} {
			t.Run(engine+" "+name, func(t *testing.T) {
				images, ids := firstBatch(t)
				n := 4 * freq // micro-batches of 4, for which others compile as well
				images, ids = images[:len(images)*n/8], ids[:len(ids)*n/8]
				s, _ := shared(t, graphsOf{engine: engine, kind: "vit", precision: "f16", accumulated: freq}, record(t, "vit", "train"))
				m := s.model
				if s.LossScale() != (LossScale{Factor: 65536}) {
					t.Errorf("begins with %+v", s.LossScale())
				}
				if err := s.SetLossScale(LossScale{Factor: 1 << 40, Good: 5}); err != nil {
					t.Fatal(err)
				}
				before := everything(t, m)
				res, err := s.Step(images, ids, n, 1e-3, 0)
				if err != nil {
					t.Fatal(err)
				}
				if !res.Skipped || s.LossScale() != (LossScale{Factor: 1 << 39}) || s.steps != 0 || !(res.Loss > 0) {
					t.Errorf("%+v, scale %+v, %d updates", res, s.LossScale(), s.steps)
				}
				if !slices.Equal(everything(t, m), before) {
					t.Error("the model moved")
				}
				for _, v := range values(t, m, moments[0]+"visual.proj") {
					if v != 0 {
						t.Fatal("the moments moved")
					}
				}
				skipped := 1
				for res.Skipped {
					if res, err = s.Step(images, ids, n, 1e-3, 0); err != nil {
						t.Fatal(err)
					}
					skipped++
				}
				t.Logf("the first good step came with a factor of 2^%v", math.Log2(s.LossScale().Factor))
				if s.steps != 1 || s.LossScale().Good != 1 || s.LossScale().Factor < 1<<10 {
					t.Errorf("after the first good step: scale %+v, %d updates", s.LossScale(), s.steps)
				}
				if slices.Equal(everything(t, m), before) {
					t.Error("the good step moved nothing")
				}
			})
		}
	}
}

func TestLossScaleIsChecked(t *testing.T) {
	m := tiny(t, "vit")
	s := stepper(t, m, record(t, "vit", "train"), func(c *Config) { c.Precision = "f16" })
	for _, bad := range []LossScale{{Factor: 3}, {Factor: math.Inf(1)}, {Factor: math.NaN()}, {Factor: -2}, {Factor: 1e-30}, {Factor: 1, Good: 2000}, {Factor: 1, Good: -1}} {
		if err := s.SetLossScale(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	s.scale = LossScale{Factor: smallest}
	if err := s.overflowed(1, 1e-3); !errors.Is(err, ErrDiverged) {
		t.Errorf("the smallest factor overflows: %v", err)
	}
	for precision, want := range map[string]model.Precision{"": model.F32, "f32": model.F32, "bf16": model.BF16, "f16": model.F16, "amp": model.BF16} {
		if got := (Config{Precision: precision}).precision(m.Device); got != want {
			t.Errorf("%q on the processor is %s, want %s", precision, got, want)
		}
	}
	onnx := tinyOn(t, "cpu:onnx", "vit")
	if _, err := NewStepper(onnx, Config{Precision: "bf16"}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), `take "f16"`) {
		t.Errorf("bf16 on ONNX Runtime: %v", err)
	}
	if got := (Config{Precision: "amp"}).precision(&device.Device{Name: "npu:1"}); got != model.F16 {
		t.Errorf("amp on an NPU is %s", got)
	}
}

// Ten steps in float16 lose what ten in float32 lose, within half a percent of the loss.
func TestF16TracksF32(t *testing.T) {
	t.Parallel()
	batches := golden.Open(t, "vit/train_batches.safetensors")
	images, ids := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts")
	for _, engine := range []string{"cpu:xla", "cpu:onnx"} {
		t.Run(engine, func(t *testing.T) {
			losses := func(precision string) (list []float64) {
				s, done := shared(t, graphsOf{engine: engine, kind: "vit", precision: precision}, record(t, "vit", "train"))
				defer done()
				if err := s.SetLossScale(LossScale{Factor: 1 << 12}); err != nil { // the first factor overflows at first, as in PyTorch
					t.Fatal(err)
				}
				for i := range 10 {
					j, size, row := i%5, len(images)/5, len(ids)/5
					res, err := s.Step(images[j*size:(j+1)*size], ids[j*row:(j+1)*row], 4, 1e-3, 0)
					if err != nil {
						t.Fatal(err)
					}
					if res.Skipped {
						t.Errorf("%s: step %d was left out", precision, i+1)
					}
					list = append(list, res.Loss)
				}
				return list
			}
			want, got := losses(""), losses("f16")
			worst := 0.0
			for i := range want {
				worst = max(worst, math.Abs(got[i]-want[i])/want[i])
			}
			t.Logf("largest difference of a loss %.2g", worst)
			if !(worst < 5e-3) || worst == 0 {
				t.Errorf("losses %v, in float32 %v", got, want)
			}
		})
	}
}

// The loss scale is part of a checkpoint: a run that was interrupted ends in the same bits, with the same factor, as one that was not.
func TestLossScaleContinues(t *testing.T) {
	data := &dataset.Dataset{Train: e2eData(t).Train}
	root := t.TempDir()
	fresh := func() *model.Model {
		m := e2eModel(t)
		if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
			t.Fatal(err)
		}
		return m
	}
	train := func(name string, m *model.Model, stopAt int) []string {
		c := e2eConfig(m, name)
		c.MaxSteps, c.LR, c.Precision = 8, 1e-3, "f16"
		run, err := experiment.Open(root, name, c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var said []string
		job := Job{Model: m, Train: data.Train, Config: c, Run: run, Say: func(line string) { said = append(said, line) }}
		job.Progress = func(p Progress) {
			switch p.Row.Step {
			case 2: // the first was left out as well: 2¹⁶ is too much at the beginning, as in PyTorch
				job.stepper.scale.Factor = 1 << 40 // overflows
			case 3:
				job.stepper.scale.Factor = 1 << 15
			case stopAt:
				cancel()
			}
		}
		if err := job.Do(ctx); stopAt == 0 && err != nil || stopAt > 0 && !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		return said
	}
	whole, part := fresh(), fresh()
	said := train("whole", whole, 0)
	if !slices.ContainsFunc(said, func(line string) bool {
		return line == "step 3 was left out: its gradients overflow float16; the loss scale is now 5.49755813888e+11"
	}) {
		t.Errorf("said %q", said)
	}
	train("parts", part, 5)
	part = fresh()
	train("parts", part, 0)
	if !slices.Equal(everything(t, part), everything(t, whole)) {
		t.Error("the continued run ended in other bits")
	}
	for _, name := range []string{"whole", "parts"} {
		c, err := checkpoint.Open(filepath.Join(root, name, "checkpoints", "step-00000008"))
		if err != nil {
			t.Fatal(err)
		}
		if st := c.State; st.LossScale != 1<<15 || st.GoodSteps != 5 || st.Updates != 6 {
			t.Errorf("%s ends with a loss scale of %v after %d good steps, %d updates", name, st.LossScale, st.GoodSteps, st.Updates)
		}
		c.Close()
	}
}
