package step

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train/lossscale"
)

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
				if s.LossScale() != (lossscale.State{Factor: 65536}) {
					t.Errorf("begins with %+v", s.LossScale())
				}
				if err := s.SetLossScale(lossscale.State{Factor: 1 << 40, Good: 5}); err != nil {
					t.Fatal(err)
				}
				before := modeltest.AllValues(t, m)
				res, err := s.Step(images, ids, n, 1e-3, 0)
				if err != nil {
					t.Fatal(err)
				}
				if !res.Skipped || s.LossScale() != (lossscale.State{Factor: 1 << 39}) || s.steps != 0 || !(res.Loss > 0) {
					t.Errorf("%+v, scale %+v, %d updates", res, s.LossScale(), s.steps)
				}
				if !slices.Equal(modeltest.AllValues(t, m), before) {
					t.Error("the model moved")
				}
				for _, v := range modeltest.Values(t, m, MomentPrefixes[0]+"visual.proj") {
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
				if slices.Equal(modeltest.AllValues(t, m), before) {
					t.Error("the good step moved nothing")
				}
			})
		}
	}
}

func TestLossScaleIsChecked(t *testing.T) {
	m := modeltest.Tiny(t, "", "vit")
	s := stepper(t, m, record(t, "vit", "train"), func(c *Config) { c.Precision = "f16" })
	if err := s.SetLossScale(lossscale.State{Factor: 3}); err == nil {
		t.Error("a factor of 3 is taken")
	}
	s.scale = lossscale.State{Factor: lossscale.Smallest}
	if err := s.overflowed(1, 1e-3); !errors.Is(err, ErrDiverged) {
		t.Errorf("the smallest factor overflows: %v", err)
	}
	for precision, want := range map[string]model.Precision{"": model.F32, "f32": model.F32, "bf16": model.BF16, "f16": model.F16, "amp": model.BF16} {
		if got := (Config{Precision: precision}).precision(m.Device); got != want {
			t.Errorf("%q on the processor is %s, want %s", precision, got, want)
		}
	}
	onnx := modeltest.Tiny(t, "cpu:onnx", "vit")
	if _, err := New(onnx, Config{Precision: "bf16"}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), `take "f16"`) {
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
				if err := s.SetLossScale(lossscale.State{Factor: 1 << 12}); err != nil { // the first factor overflows at first, as in PyTorch
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
