package step

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
)

// walked is what some steps did: their results, the first one's gradients, and the values of everything after the last.
type walked struct {
	results   []Result
	gradients map[string][]float32 // as AdamW got them
	after     map[string][]float32
}

// walk makes steps of n pairs of the fixtures' batches. The gradients are read off the first moments.
func walk(t *testing.T, s *Stepper, steps, n int) (w walked) {
	t.Helper()
	images, ids := pairsOf(t, s.model, steps*n)
	w.gradients, w.after = map[string][]float32{}, map[string][]float32{}
	for i := range steps {
		res, err := s.Step(share(images, i, steps), share(ids, i, steps), n, 1e-4, 7)
		if err != nil {
			t.Fatal(err)
		}
		w.results = append(w.results, res)
		for _, p := range s.params {
			if g := modeltest.Values(t, s.model, MomentPrefixes[0]+p.Name); i == 0 {
				for k := range g {
					g[k] = float32(float64(g[k]) / (1 - s.config.Beta1))
				}
				w.gradients[p.Name] = g
			}
		}
	}
	for _, p := range s.model.Config.Tensors() {
		w.after[p.Name] = modeltest.Values(t, s.model, p.Name)
	}
	return w
}

// pairsOf are n pairs of the fixtures for a model.
func pairsOf(t *testing.T, m *model.Model, n int) (images []float32, ids []int32) {
	t.Helper()
	kind := "vit"
	if m.Config.IsResNet() {
		kind = "rn"
	}
	f := golden.Open(t, kind+"/train_batches.safetensors")
	side := m.Config.ImageResolution
	return golden.Values(t, f, "images")[:n*3*side*side], golden.IDs(t, f, "texts")[:n*52]
}

// sameWalk compares with what one device did: losses to 1e-5 of themselves at the first step, gradients to 1e-4 of the largest, and what changed to
// a hundredth of a step of AdamW, whose length does not depend on the gradient's.
func sameWalk(t *testing.T, got, want walked) {
	t.Helper()
	for i, r := range want.results {
		if d := math.Abs(got.results[i].Loss - r.Loss); !(d <= 1e-5*r.Loss) {
			t.Errorf("loss of step %d is %v, on one device %v", i+1, got.results[i].Loss, r.Loss)
		}
		if got.results[i].ImageToTextAcc != r.ImageToTextAcc || got.results[i].TextToImageAcc != r.TextToImageAcc || math.Abs(got.results[i].LogitScale-r.LogitScale) > 1e-6 {
			t.Errorf("step %d: %+v, on one device %+v", i+1, got.results[i], r)
		}
	}
	if len(got.gradients) != len(want.gradients) {
		t.Errorf("%d gradients, on one device %d", len(got.gradients), len(want.gradients))
	}
	for name, g := range want.gradients {
		if off := apart(got.gradients[name], g); !(off <= 1e-4*topOf(want.gradients)) {
			t.Errorf("gradient of %s is off by %.2g of the largest", name, off/topOf(want.gradients))
		}
	}
	for name, v := range want.after {
		if off := apart(got.after[name], v); strings.Contains(name, ".running_") && !(off <= 1e-4*max(1, apart(v, nil))) {
			t.Errorf("%s is off by %.2g", name, off)
		}
	}
}

// apart is the largest distance of two values; nil are zeros.
func apart(x, y []float32) (far float64) {
	for i := range x {
		if y == nil {
			far = max(far, math.Abs(float64(x[i])))
		} else if d := math.Abs(float64(x[i] - y[i])); !(d <= far) {
			far = d
		}
	}
	return far
}

func topOf(all map[string][]float32) (top float64) {
	for _, v := range all {
		top = max(top, apart(v, nil))
	}
	return top
}

var allDevices = flag.Bool("devices", false, "compile every case of several devices, for three minutes; without it one of the ViT runs")

// Over 2 and 4 devices, with all of the moments on each or a part, a step is what it is on one. (A ResNet on 2 with a part of the moments is below.)
func TestManyDevicesStepAsOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, devices string
		zero          bool
	}{{"vit", "cpu:0-1", false}, {"vit", "cpu:0-3", true}, {"rn", "cpu:0-3", false}} {
		t.Run(fmt.Sprint(c.kind, " ", c.devices, " shard_moments=", c.zero), func(t *testing.T) {
			if c.devices != "cpu:0-1" {
				onlyWithDevices(t)
			}
			r := record(t, c.kind, "train")
			one := stepper(t, small(t, "cpu:go", c.kind), r, nil)
			want := walk(t, one, 2, 4)
			s := stepper(t, small(t, c.devices, c.kind), r, func(cfg *Config) { cfg.ShardMoments = c.zero })
			sameWalk(t, walk(t, s, 2, 4), want)
			split := 0
			for _, p := range s.params {
				parts, err := s.model.Device.Parts(s.store.GetVariable("/" + MomentPrefixes[1] + p.Name))
				if err != nil {
					t.Fatal(err)
				}
				if len(parts) > 1 {
					split += p.Size()
				}
			}
			if all := s.model.Config.NumParams(); c.zero != (split > all*9/10) {
				t.Errorf("the moments of %d of %d parameters are split", split, all)
			}

			images, ids := pairsOf(t, s.model, 4)
			if c.kind == "vit" { // a maximum, as in a ResNet, makes 0 of what is no number
				before := modeltest.AllValues(t, s.model)
				broken := slices.Clone(images)
				broken[0] = float32(math.NaN())
				if _, err := s.Step(broken, ids, 4, 1e-4, 7); !errors.Is(err, ErrDiverged) {
					t.Errorf("a picture of NaN: %v", err)
				}
				if !slices.Equal(modeltest.AllValues(t, s.model), before) {
					t.Error("a loss that is no number changed the model")
				}
			}

			// What is saved of one goes on on the other.
			handOver(t, s, one)
			a, b := oneStep(t, s, images, ids, 4), oneStep(t, one, images, ids, 4)
			if math.Abs(a.Loss-b.Loss) > 1e-5*b.Loss {
				t.Errorf("from the same state, step %d gives %v, on one device %v", one.steps, a.Loss, b.Loss)
			}
			handOver(t, one, s)
			if x, y := modeltest.AllValues(t, one.model), modeltest.AllValues(t, s.model); !slices.Equal(x, y) || s.steps != one.steps {
				t.Error("what one device has saved is not what several loaded")
			}
		})
	}
}

func oneStep(t *testing.T, s *Stepper, images []float32, ids []int32, n int) Result {
	t.Helper()
	res, err := s.Step(images, ids, n, 1e-4, 7)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// handOver gives a stepper the state of another.
func handOver(t *testing.T, from, to *Stepper) {
	t.Helper()
	for _, p := range from.model.Config.Tensors() {
		if err := to.model.Set(p.Name, p.Shape, modeltest.Values(t, from.model, p.Name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.SetMoments(from.steps, from.model.Get); err != nil {
		t.Fatal(err)
	}
}

// small is a "vit" or "rn" of one block where the fixtures' have several: it compiles faster.
func small(t *testing.T, engine, kind string) *model.Model {
	t.Helper()
	dev, err := device.Open(engine)
	if err != nil {
		t.Fatal(err)
	}
	cfg := golden.Config(t, kind)
	cfg.TextLayers = 1
	for i := range cfg.VisionLayers {
		cfg.VisionLayers[i] = 1
	}
	if !cfg.IsResNet() {
		cfg.VisionLayers = []int{1}
	}
	m, err := model.New(cfg, dev)
	if err == nil {
		err = m.Init(5)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range cfg.Tensors() { // a fresh bottleneck gives its input
		if strings.HasSuffix(p.Name, "bn3.weight") {
			if err := m.Set(p.Name, p.Shape, slices.Repeat([]float32{1}, p.Size())); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() { m.Close(); dev.Close() })
	return m
}

// Ranks over devices compute what ranks in turns do on one, whatever the settings: with as many ranks as devices, and with more and accumulation.
func TestManyDevicesTakeRanks(t *testing.T) {
	onlyWithDevices(t)
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"2 ranks, gather_with_grad and options": func(c *Config) {
			c.WorldSize, c.GatherWithGrad, c.Loss, c.MultiPositive, c.KDLossWeight = 2, true, "siglip", true, 0.5
		},
		"4 ranks of 2 micro-batches, masked": func(c *Config) { c.WorldSize, c.AccumFreq, c.MaskRatio, c.ShardMoments = 4, 2, 0.5, true },
		"LoRA":                               func(c *Config) { c.LoRARank, c.LoRAAlpha = 2, 4 },
	} {
		t.Run(name, func(t *testing.T) {
			var all []walked
			for _, engine := range []string{"cpu:go", "cpu:0-1"} {
				s := stepper(t, small(t, engine, "vit"), record(t, "vit", "train"), change)
				s.Teacher = func(_ context.Context, _ []float32, n int) ([]float32, error) {
					out := make([]float32, 3*n)
					for i := range out {
						out[i] = float32(i%5) - 1
					}
					return out, nil
				}
				w := walk(t, s, 2, 8)
				all = append(all, w)
				if s.model.Device.Many == nil || len(s.turns()) == 1 {
					continue // its graph would be another one
				}
				if err := s.model.Init(5); err != nil {
					t.Fatal(err)
				}
				s.steps = 0
				images, ids := pairsOf(t, s.model, 8)
				res, err := s.Gradients(t.Context(), images, ids, 8, 7, func(name string, _ []int, values []float32) error {
					if off := apart(values, w.gradients[name]); !(off <= 1e-5*topOf(w.gradients)) {
						return fmt.Errorf("the gradient of %s is off by %.2g of the largest", name, off/topOf(w.gradients))
					}
					return nil
				})
				if err != nil || math.Abs(res.Loss-w.results[0].Loss) > 1e-6 {
					t.Errorf("%s: Gradients are not the first step's: %v, loss %v", engine, err, res.Loss)
				}
			}
			sameWalk(t, all[1], all[0])
		})
	}
}

// BatchNorm over devices has the statistics of each rank, and rank 0's move the running ones; with use_bn_sync it is one device's over all pairs.
func TestManyDevicesNormaliseByRanks(t *testing.T) {
	onlyWithDevices(t)
	t.Parallel()
	const n = 4
	r := record(t, "rn", "train")
	two := func(c *Config) { c.WorldSize = 2 }
	turns := walk(t, stepper(t, small(t, "cpu:go", "rn"), r, two), 1, n)
	sameWalk(t, walk(t, stepper(t, small(t, "cpu:0-1", "rn"), r, two), 1, n), turns)

	whole := walk(t, stepper(t, small(t, "cpu:go", "rn"), r, nil), 1, n)
	if math.Abs(whole.results[0].Loss-turns.results[0].Loss) < 1e-3 {
		t.Error("statistics of ranks and of all pairs give the same loss: nothing was tested")
	}
	synced := walk(t, stepper(t, small(t, "cpu:0-1", "rn"), r, func(c *Config) { c.WorldSize, c.UseBNSync, c.ShardMoments = 2, true, true }), 1, n)
	for name, g := range synced.gradients { // the reference's mean over ranks
		if name != "logit_scale" {
			for i := range g {
				g[i] *= 2
			}
		}
	}
	sameWalk(t, synced, whole)
}

func onlyWithDevices(t *testing.T) {
	t.Helper()
	if !*allDevices {
		t.Skip("compiles for a minute: go test ./clipkit/train/step -run ManyDevices -devices")
	}
}

func TestManyDevicesRefuse(t *testing.T) {
	many := small(t, "cpu:0-3", "vit")
	resnet := small(t, "cpu:go", "rn")
	for _, c := range []struct {
		m     *model.Model
		set   Config
		batch int
		want  string
	}{
		{many, Config{}, 6, "batch_size 6 of 1 ranks makes 6 pairs, which do not divide over the 4 devices"},
		{many, Config{WorldSize: 3}, 2, "makes 6 pairs"},
		{many, Config{WorldSize: 2, SkipAggregate: true}, 2, "skip_aggregate is true, want false on cpu:0-3 (xla)"},
		{resnet, Config{WorldSize: 2, UseBNSync: true}, 2, "use_bn_sync is true, want false on one device"},
		{many, Config{WorldSize: 2}, 2, ""},
		{many, Config{WorldSize: 8, AccumFreq: 3}, 1, ""},
		{resnet, Config{WorldSize: 2}, 2, ""},
	} {
		err := c.set.CheckOn(c.m.Device, c.m.Config, c.batch)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%+v: %v, want %q", c.set, err, c.want)
		}
	}
	s := stepper(t, many, record(t, "vit", "train"), nil)
	images, ids := pairsOf(t, many, 6)
	if _, err := s.Step(images, ids, 6, 1e-4, 0); !errors.Is(err, ErrConfig) {
		t.Errorf("6 pairs on 4 devices: %v", err)
	}
}
