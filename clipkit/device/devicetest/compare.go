package devicetest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/weights"
)

// Open opens a device for as long as the test lasts.
func Open(t *testing.T, name string) *device.Device {
	t.Helper()
	dev, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// Steps that Work trains, of Pairs pictures and texts.
const Steps, Pairs = 5, 4

// midSize is large enough for every kind of kernel to be used, and small enough for seconds: 3.1 M parameters.
var midSize = arch.Config{
	Name: "mid", EmbedDim: 128, ImageResolution: 64, VisionLayers: arch.Layers{3}, VisionWidth: 192, VisionPatchSize: 16,
	VocabSize: 1000, TextHiddenAct: "gelu", TextWidth: 192, TextInitRange: 0.02, TextIntermediate: 768, TextMaxPositions: 64, TextHeads: 3,
	TextLayers: 3, TextTypes: 2, ContextLength: 24,
}

// Result is what a device makes of a model: features before training, the losses of the steps, and the parameters afterwards.
type Result struct {
	images, texts, parameters []float32
	losses                    []float64
}

// Tiny is the reference's tiny model with the fixture's weights.
func Tiny(t *testing.T, dev *device.Device) *model.Model {
	t.Helper()
	m, err := model.New(golden.Config(t, "vit"), dev)
	if err == nil {
		err = weights.Load(m, m.Config, golden.Open(t, "vit/init.pt"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Mid is a model with random weights, always the same ones.
func Mid(t *testing.T, dev *device.Device) *model.Model {
	t.Helper()
	m, err := model.New(midSize, dev)
	if err == nil {
		err = m.Init(7)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Sample is a batch keyed by a number.
func Sample(cfg arch.Config, key int) (pixels []float32, ids []int32) {
	rng := rand.New(rand.NewPCG(uint64(key), 1))
	pixels = make([]float32, Pairs*3*cfg.ImageResolution*cfg.ImageResolution)
	for i := range pixels {
		pixels[i] = float32(rng.NormFloat64())
	}
	length := cfg.ContextLength
	if length == 0 {
		length = 16
	}
	ids = make([]int32, Pairs*length)
	for i := range ids {
		if i%length < length*3/4 {
			ids[i] = int32(1 + rng.IntN(cfg.VocabSize-1))
		}
	}
	return pixels, ids
}

// NewStepper trains m as the reference does.
func NewStepper(t *testing.T, m *model.Model) *step.Stepper {
	t.Helper()
	s, err := step.New(m, step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Work encodes a batch and trains on others.
func Work(t *testing.T, m *model.Model) (r Result) {
	t.Helper()
	pixels, ids := Sample(m.Config, 0)
	var err error
	if r.images, err = m.EncodeImages(context.Background(), pixels, Pairs); err != nil {
		t.Fatal(err)
	}
	if r.texts, err = m.EncodeTexts(context.Background(), ids, Pairs); err != nil {
		t.Fatal(err)
	}
	s := NewStepper(t, m)
	defer s.Close()
	for i := range Steps {
		pixels, ids := Sample(m.Config, i)
		got, err := s.Step(pixels, ids, Pairs, 1e-4, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.losses = append(r.losses, got.Loss)
	}
	for _, p := range m.Config.Tensors() {
		_, values, err := m.Get(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		r.parameters = append(r.parameters, values...)
	}
	return r
}

// Distance is the relative L2 distance.
func Distance(got, want []float32) float64 {
	if len(got) != len(want) || len(want) == 0 {
		return math.Inf(1)
	}
	var d, n float64
	for i := range want {
		d += (float64(got[i]) - float64(want[i])) * (float64(got[i]) - float64(want[i]))
		n += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(d / n)
}

// Near compares two results, to the bit where the tolerance is 0.
func Near(t *testing.T, what string, got, want Result, tolerance float64) {
	t.Helper()
	for _, p := range []struct {
		name      string
		got, want []float32
	}{
		{"image features", got.images, want.images}, {"text features", got.texts, want.texts}, {"parameters after training", got.parameters, want.parameters},
	} {
		if d := Distance(p.got, p.want); !(d <= tolerance) || tolerance == 0 && !slices.Equal(p.got, p.want) {
			t.Errorf("%s: %s differ by %.3g, relative", what, p.name, d)
		} else {
			t.Logf("%s: %s differ by %.2g, relative", what, p.name, d)
		}
	}
	for i := range want.losses {
		if d := math.Abs(got.losses[i] - want.losses[i]); !(d <= tolerance*math.Abs(want.losses[i])) {
			t.Errorf("%s: loss of step %d is %.7f, want %.7f", what, i+1, got.losses[i], want.losses[i])
		}
	}
}

// Agree compares what two devices make of both models.
func Agree(t *testing.T, got, want *device.Device, tolerance float64) {
	t.Helper()
	for name, build := range map[string]func(*testing.T, *device.Device) *model.Model{"tiny": Tiny, "mid": Mid} {
		a, b := build(t, got), build(t, want)
		Near(t, name, Work(t, a), Work(t, b), tolerance)
		a.Close()
		b.Close()
	}
}

// Compile has a model's graphs compiled: both towers, gradients, updates.
func Compile(t *testing.T, dev *device.Device) {
	t.Helper()
	m := Mid(t, dev)
	t.Cleanup(m.Close)
	s := NewStepper(t, m)
	t.Cleanup(s.Close)
	pixels, ids := Sample(m.Config, 0)
	if _, err := m.EncodeImages(context.Background(), pixels, Pairs); err != nil {
		t.Fatal(err)
	}
	if _, err := m.EncodeTexts(context.Background(), ids, Pairs); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Step(pixels, ids, Pairs, 1e-4, 0); err != nil {
		t.Fatal(err)
	}
}
