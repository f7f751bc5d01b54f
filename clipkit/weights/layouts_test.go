package weights

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// tiny is a model of two ViT blocks and two BERT layers.
func tiny() arch.Config {
	return arch.Config{Name: "tiny", EmbedDim: 16, ImageResolution: 32, VisionLayers: arch.Layers{2}, VisionWidth: 64, VisionPatchSize: 8,
		VocabSize: 40, TextHiddenAct: "gelu", TextWidth: 64, TextIntermediate: 96, TextMaxPositions: 60, TextHeads: 1, TextLayers: 2, TextTypes: 2,
		TextAttnDropout: 0.1, TextDropout: 0.1, TextInitRange: 0.02, ContextLength: 52}
}

// randomState is a state dict of cfg; the same seed gives the same values.
func randomState(cfg arch.Config, seed uint64) []tensor.Tensor {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []tensor.Tensor
	for _, t := range cfg.Tensors() {
		if t.Int64 {
			out = append(out, tensor.I64(t.Name, 3))
			continue
		}
		values := make([]float32, t.Size())
		for i := range values {
			values[i] = float32(rng.NormFloat64()) * 0.05
		}
		out = append(out, tensor.F32(t.Name, t.Shape, values))
	}
	return out
}

// fileOf is a safetensors file in memory.
func fileOf(t *testing.T, name string, tensors []tensor.Tensor) *File {
	t.Helper()
	var b bytes.Buffer
	if err := EncodeSafetensors(&b, tensors, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(name, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// recorder is a target that keeps what it was given.
type recorder map[string]tensor.Tensor

func (k recorder) SetTensor(t tensor.Tensor) error {
	t.Data = slices.Clone(t.Data)
	k[t.Name] = t
	return nil
}
func (k recorder) mustEqual(t *testing.T, want []tensor.Tensor) {
	t.Helper()
	if len(k) != len(want) {
		t.Errorf("%d tensors, want %d", len(k), len(want))
	}
	for _, w := range want {
		if got := k[w.Name]; !bytes.Equal(got.Data, w.Data) || !slices.Equal(got.Shape, w.Shape) || got.DType != w.DType {
			t.Errorf("%s: %v of %s differs", w.Name, got.Shape, got.DType)
		}
	}
}
func renamed(tensors []tensor.Tensor, f func(string) string) []tensor.Tensor {
	var out []tensor.Tensor
	for _, t := range tensors {
		if t.Name = f(t.Name); t.Name != "" {
			out = append(out, t)
		}
	}
	return out
}
func module(name string) string { return "module." + name }
func prefixed(tensors []tensor.Tensor, prefix string) []tensor.Tensor {
	return renamed(tensors, func(name string) string { return prefix + name })
}

// Every layout of the same model loads to the same bytes.
func TestLoadReadsEveryLayout(t *testing.T) {
	cfg := tiny()
	want := randomState(cfg, 1)
	flash, err := toFlash(want)
	if err != nil {
		t.Fatal(err)
	}
	hf, err := toHF(want)
	if err != nil {
		t.Fatal(err)
	}
	extra := []tensor.Tensor{tensor.F32("bert.pooler.dense.weight", []int{1}, []float32{0}), tensor.I64("bert.embeddings.position_ids", 0)}
	hfExtra := []tensor.Tensor{tensor.F32("text_model.pooler.dense.bias", []int{1}, []float32{0}), tensor.I64("vision_model.embeddings.position_ids", 0), tensor.I64("text_model.embeddings.position_ids", 0)}
	for name, tensors := range map[string][]tensor.Tensor{
		"plain":             want,
		"module":            renamed(want, module),
		"pooler":            append(slices.Clone(want), extra...),
		"flash":             flash,
		"flash with module": renamed(flash, module),
		"hf":                append(slices.Clone(hf), hfExtra...),

		"torch.compile":          prefixed(want, "_orig_mod."),
		"DDP of torch.compile":   prefixed(want, "module._orig_mod."),
		"torch.compile of DDP":   prefixed(want, "_orig_mod.module."),
		"nested DDP":             prefixed(want, "module.module."),
		"Lightning":              prefixed(want, "model."),
		"Lightning and compile":  prefixed(append(slices.Clone(want), extra...), "model._orig_mod."),
		"Lightning and DDP":      prefixed(hf, "module.model.module."),
		"compiled vision tower":  renamed(want, func(n string) string { return strings.Replace(n, "visual.", "visual._orig_mod.", 1) }),
		"compiled block":         renamed(want, func(n string) string { return strings.Replace(n, "resblocks.1.", "resblocks.1._orig_mod.", 1) }),
		"compiled towers of DDP": prefixed(renamed(flash, func(n string) string { return strings.Replace(n, "bert.", "bert._orig_mod.", 1) }), "module."),
	} {
		got := recorder{}
		if err := Load(got, cfg, fileOf(t, name, tensors)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got.mustEqual(t, want)
	}
}
func TestFlashNames(t *testing.T) {
	flash, err := toFlash(randomState(tiny(), 1))
	if err != nil {
		t.Fatal(err)
	}
	f := fileOf(t, "flash", flash)
	for name, shape := range map[string][]int{
		"visual.transformer.resblocks.1.attn.Wqkv.bias":      {192},
		"bert.encoder.layer.0.attention.self.Wqkv.weight":    {192, 64},
		"bert.encoder.layer.1.attention.self.out_proj.bias":  {64},
		"bert.encoder.layer.1.attention.self.query.weight":   nil,
		"bert.encoder.layer.1.attention.output.dense.weight": nil,
	} {
		if got := f.shape(name); !slices.Equal(got, shape) {
			t.Errorf("%s has shape %v, want %v", name, got, shape)
		}
	}
	var cut []tensor.Tensor
	for _, x := range randomState(tiny(), 1) {
		if !strings.Contains(x.Name, "self.key") {
			cut = append(cut, x)
		}
	}
	if _, err := toFlash(cut); !errors.Is(err, tensor.ErrFormat) {
		t.Errorf("a state dict without keys: %v", err)
	}
}
func TestBrokenLayouts(t *testing.T) {
	cfg := tiny()
	hf, err := toHF(randomState(cfg, 1))
	if err != nil {
		t.Fatal(err)
	}
	without := func(part string) []tensor.Tensor {
		return renamed(hf, func(n string) string {
			if strings.Contains(n, part) {
				return ""
			}
			return n
		})
	}
	one := []float32{1}
	for name, x := range map[string]struct {
		tensors []tensor.Tensor
		want    string
	}{
		"q without k":       {without("layers.0.self_attn.k_proj.weight"), "without the k_proj"},
		"k without q":       {without("layers.0.self_attn.q_proj.weight"), "missing visual.transformer.resblocks.0.attn.in_proj_weight"},
		"two prefixes":      {[]tensor.Tensor{tensor.F32("_orig_mod.logit_scale", nil, one), tensor.F32("module.logit_scale", nil, one)}, "occurs twice, with and without"},
		"both prefixes":     {[]tensor.Tensor{tensor.F32("logit_scale", nil, one), tensor.F32("module.logit_scale", nil, one)}, "with and without"},
		"two layouts":       {[]tensor.Tensor{tensor.F32("bert.a.attention.output.dense.bias", nil, one), tensor.F32("bert.a.attention.self.out_proj.bias", nil, one)}, "twice"},
		"Wqkv of 4 rows":    {[]tensor.Tensor{tensor.F32("bert.a.attention.self.Wqkv.bias", []int{4}, make([]float32, 4))}, "three equal parts"},
		"projection vector": {[]tensor.Tensor{tensor.F32("vision_model.x", nil, one), tensor.F32("visual_projection.weight", []int{1}, one)}, "want a matrix"},
		"q and k differ": {[]tensor.Tensor{tensor.F32("vision_model.encoder.layers.0.self_attn.q_proj.weight", []int{1, 2}, make([]float32, 2)),
			tensor.F32("vision_model.encoder.layers.0.self_attn.k_proj.weight", []int{1, 3}, make([]float32, 3)),
			tensor.F32("vision_model.encoder.layers.0.self_attn.v_proj.weight", []int{1, 2}, make([]float32, 2))}, "do not join"},
	} {
		got := recorder{}
		err := Load(got, cfg, fileOf(t, name, x.tensors))
		if err == nil || len(got) > 0 || !strings.Contains(err.Error(), x.want) || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: loaded %d, error %v; want %q", name, len(got), err, x.want)
		}
	}
}
