package model_test

import (
	"context"
	"slices"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// open opens the device that CLIPKIT_DEVICE names.
func open(t testing.TB) *device.Device {
	t.Helper()
	d, err := device.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func tiny(t testing.TB, kind string, dev *device.Device) *model.Model {
	t.Helper()
	cfg := golden.Config(t, kind)
	m, err := model.New(cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if err := weights.Load(m, cfg, golden.Open(t, kind+"/init.pt")); err != nil {
		t.Fatal(err)
	}
	return m
}

// Features of both towers equal PyTorch's on the same weights, pictures and tokens.
func TestFeaturesEqualTheReference(t *testing.T) {
	t.Parallel()
	dev := open(t)
	for _, kind := range []string{"vit", "rn"} {
		m := tiny(t, kind, dev)
		f := golden.Open(t, kind+"/forward_eval.safetensors")
		images, err := m.EncodeImages(context.Background(), golden.Values(t, f, "images"), 4)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, kind+" image features", images, golden.Values(t, f, "image_features"), 1e-4)
		ids := golden.IDs(t, f, "texts")
		texts, err := m.EncodeTexts(context.Background(), ids, 4)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, kind+" text features", texts, golden.Values(t, f, "text_features"), 1e-4)
		scale, err := m.LogitScale()
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "scale", []float32{float32(scale)}, golden.Values(t, f, "logit_scale_exp"), 1e-6)

		// Padding to a batch of 4 must not change a row, and neither must a shorter row of tokens.
		three, err := m.EncodeTexts(context.Background(), ids[:3*52], 3)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "three of four texts", three, texts[:len(three)])

		// Rows of other lengths, and cut ones, come back in their order.
		mixed := make([]int32, 3*100)
		for i, row := range []int{2, 0, 1} {
			copy(mixed[i*100:], ids[row*52:(row+1)*52])
		}
		longer, err := m.EncodeTexts(context.Background(), mixed, 3)
		if err != nil {
			t.Fatal(err)
		}
		d := m.Config.EmbedDim
		same(t, "reordered texts", longer, append(append([]float32{}, texts[2*d:3*d]...), texts[:2*d]...))
	}
}

// same compares two results of the model.
func same(t *testing.T, what string, a, b []float32) {
	t.Helper()
	if _, rel := golden.Difference(a, b); rel > 1e-6 {
		t.Errorf("%s differ by %.3g relative", what, rel)
	}
}

func TestBadInput(t *testing.T) {
	m := tiny(t, "vit", open(t))
	if _, err := m.EncodeImages(context.Background(), make([]float32, 5), 1); err == nil {
		t.Error("a short image was accepted")
	}
	if _, err := m.EncodeTexts(context.Background(), make([]int32, 513), 1); err == nil {
		t.Error("a text longer than the positions was accepted")
	}
	if err := m.Set("visual.nothing", []int{1}, []float32{1}); err == nil {
		t.Error("an unknown tensor was accepted")
	}
	if err := m.Set("visual.proj", []int{1}, []float32{1}); err == nil {
		t.Error("a wrong shape was accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.EncodeTexts(ctx, make([]int32, 52), 1); err == nil {
		t.Error("a cancelled context was ignored")
	}
}

// Two models from one seed are equal, and the values have the spread that the reference's rules ask for.
func TestInit(t *testing.T) {
	dev := open(t)
	a, b := tiny(t, "vit", dev), tiny(t, "vit", dev)
	for _, m := range []*model.Model{a, b} {
		if err := m.Init(7); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range a.Config.Tensors() {
		_, va, _ := a.Get(x.Name)
		_, vb, _ := b.Get(x.Name)
		if !slices.Equal(va, vb) {
			t.Errorf("%s differs", x.Name)
		}
	}
	std := func(name string) float64 {
		_, v, err := a.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		var s float64
		for _, x := range v {
			s += float64(x) * float64(x)
		}
		return s / float64(len(v))
	}
	for name, want := range map[string]float64{
		"bert.embeddings.word_embeddings.weight":             0.02 * 0.02,
		"visual.proj":                                        1. / 64,
		"visual.transformer.resblocks.0.ln_1.weight":         1,
		"visual.conv1.weight":                                1. / 192 / 3, // a uniform draw of bound b has variance b²/3
		"visual.transformer.resblocks.0.attn.in_proj_weight": 6. / 256 / 3,
	} {
		if got := std(name); got < want*0.85 || got > want*1.15 {
			t.Errorf("%s: mean square %.5g, want about %.5g", name, got, want)
		}
	}
}
