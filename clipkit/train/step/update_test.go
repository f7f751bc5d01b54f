package step

import (
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/lossscale"
)

// Updating where the values lie and updating by graphs are the same AdamW, with accumulation too.
func TestInPlaceUpdatesEqualGraphs(t *testing.T) {
	t.Parallel()
	images, ids := firstBatch(t)
	after := func(freq int, byGraphs bool) map[string][]float32 {
		s, done := shared(t, graphsOf{engine: "cpu:xla", kind: "vit", accumulated: freq}, record(t, "vit", "train_wd0.2"))
		defer done()
		m, plain := s.model, s.scales
		s.graphUpdates, s.scales = byGraphs, nil
		defer func() { s.graphUpdates, s.scales = false, plain }()
		for _, p := range s.params {
			s.scales = append(s.scales, adamw.LayerScale(m.Config, p.Name, 0.9))
		}
		n := 4 * freq // as other tests: their graphs are used
		images, ids := images[:len(images)*n/8], ids[:len(ids)*n/8]
		if s.inPlace() == byGraphs {
			t.Fatalf("in place: %v", s.inPlace())
		}
		for range 3 {
			if _, err := s.Step(images, ids, n, 1e-3, 0); err != nil {
				t.Fatal(err)
			}
		}
		all := map[string][]float32{}
		for _, p := range s.params {
			for _, name := range []string{p.Name, MomentPrefixes[0] + p.Name, MomentPrefixes[1] + p.Name} {
				all[name] = slices.Clone(modeltest.Values(t, m, name))
			}
		}
		return all
	}
	for _, freq := range []int{1, 2} {
		want, got := after(freq, true), after(freq, false)
		for name, w := range want {
			if strings.HasSuffix(name, "key.bias") || strings.HasSuffix(name, "in_proj_bias") {
				continue // their gradients are rounding noise
			}
			if _, rel := golden.Difference(got[name], w); rel > 2e-5 {
				t.Errorf("accum_freq %d: %s differs by %.2g of its largest value", freq, name, rel)
			}
		}
	}
}

// In bf16 and f16 the loss and the gradients are those of float32 to about two digits, whether the weight gradients are written out or, with
// grad_checkpointing, as they come; and the master weights move by less than a bf16 weight could.
func TestHalfPrecisionGradients(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t, "cpu:xla", "vit")
	images, ids := firstBatch(t)
	r := record(t, "vit", "train")
	s, done := shared(t, graphsOf{engine: "cpu:xla", kind: "vit", accumulated: 2}, r) // two micro-batches are the whole batch
	want, wantGrads := gradientsOf(t, s, images, ids, 8)
	done()
	for name, change := range map[string]func(*Config){
		"written out": func(*Config) {}, "recompute": func(c *Config) { c.Recompute = true }, "lora": func(c *Config) { c.LoRARank, c.LoRAAlpha = 2, 2 },
		"accumulated": func(c *Config) { c.AccumFreq = 2 }, "frozen": func(c *Config) { c.FreezeVision = true },
		"f16": func(c *Config) { c.Precision = "f16" }, "f16 lora": func(c *Config) { c.Precision, c.LoRARank, c.LoRAAlpha = "f16", 2, 2 }} {
		modeltest.Load(t, m, "vit/init.pt")
		s := stepper(t, m, r, func(c *Config) { c.Precision = "bf16"; change(c) })
		got, grads := gradientsOf(t, s, images, ids, 8)
		if d := math.Abs(got.Loss - want.Loss); d > 0.02*want.Loss || d == 0 {
			t.Errorf("%s: loss %v, in float32 %v", name, got.Loss, want.Loss)
		}
		for _, p := range s.params {
			w, ok := wantGrads[p.Name]
			if !ok || p.Name == "logit_scale" || strings.HasSuffix(p.Name, "key.bias") || strings.HasSuffix(p.Name, "in_proj_bias") { // noise, in part
				continue
			}
			if c := cosine(grads[p.Name], w); c < 0.99 {
				t.Errorf("%s: the gradient of %s points elsewhere: cosine %.4f", name, p.Name, c)
			}
		}
		weight := "visual.proj"
		if name == "frozen" || s.config.LoRARank > 0 {
			s.Close()
			continue
		}
		before := slices.Clone(modeltest.Values(t, m, weight))
		if err := s.SetLossScale(lossscale.State{Factor: 1 << 10}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Step(images, ids, 8, 1e-6, 0); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(modeltest.Values(t, m, weight), before) {
			t.Errorf("%s: a small step is lost", name)
		}
		s.Close()
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i])*float64(b[i]), aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
	}
	if aa == 0 && bb == 0 {
		return 1
	}
	return ab / math.Sqrt(aa*bb)
}

// A loss that is no number leaves the model as it was.
// fault 30
func TestNaNLeavesTheModelAlone(t *testing.T) {
	t.Parallel()
	s, _ := shared(t, graphsOf{engine: "cpu:xla", kind: "vit"}, record(t, "vit", "train"))
	m := s.model
	images, ids := firstBatch(t)
	images, ids = images[:len(images)/2], ids[:len(ids)/2]
	before := slices.Clone(modeltest.Values(t, m, "visual.proj"))
	bad := slices.Clone(images)
	bad[0] = float32(math.NaN())
	if _, err := s.Step(bad, ids, 4, 1e-3, 0); err == nil {
		t.Error("a loss of NaN is no error")
	}
	if !slices.Equal(modeltest.Values(t, m, "visual.proj"), before) {
		t.Error("the weights moved")
	}
}
