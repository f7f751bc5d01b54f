package weights

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// What people take for the weights of a Chinese-CLIP is named, with the next step.
// fault 6
func TestLoadNamesWhatAFileIs(t *testing.T) {
	cfg := tiny()
	all := randomState(cfg, 1)
	only := func(prefixes ...string) []tensor.Tensor {
		return renamed(all, func(n string) string {
			for _, p := range prefixes {
				if strings.HasPrefix(n, p) {
					return n
				}
			}
			return ""
		})
	}
	x := func(name string) tensor.Tensor { return tensor.F32(name, nil, []float32{1}) }
	emoji, _ := arch.Lookup("emoji")
	large := cfg
	large.VisionLayers, large.ImageResolution = arch.Layers{3}, 48
	for name, c := range map[string]struct {
		tensors []tensor.Tensor
		want    string
	}{
		"vision":    {only("visual."), "a vision tower alone"},
		"text":      {only("bert.", "text_projection"), "a text tower alone"},
		"bert":      {append(only("bert."), x("cls.predictions.bias")), "a BERT: LoadInit"},
		"bare-bert": {renamed(only("bert."), func(n string) string { return strings.TrimPrefix(n, "bert.") }), "a BERT: LoadInit"},
		"openai":    {append(only("visual.", "logit_scale"), x("token_embedding.weight"), x("transformer.resblocks.0.ln_1.weight")), "an English CLIP"},
		"hf-clip":   {[]tensor.Tensor{x("vision_model.embeddings.class_embedding"), x("text_model.embeddings.token_embedding.weight")}, "an English CLIP"},
		"optimizer": {[]tensor.Tensor{x("adamw.m/logit_scale"), x("adamw.v/logit_scale")}, "an optimizer"},
		"lora":      {[]tensor.Tensor{x("base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight")}, "LoRA"},
		"llama":     {[]tensor.Tensor{x("model.layers.0.self_attn.q_proj.weight")}, "no CLIP"},
		"emoji":     {randomState(emoji, 1), `the shapes of "emoji"`},
		"large":     {randomState(large, 1), "a ViT with 3 layers of width 64, patch 8, 48×48 pixels"},
	} {
		got := recorder{}
		err := Load(got, cfg, fileOf(t, name, c.tensors))
		if !errors.Is(err, ErrMismatch) || len(got) > 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: loaded %d, error %v; want %q", name, len(got), err, c.want)
		}
	}
	got := recorder{}
	raw := tensor.Tensor{Name: "logit_scale", DType: "U8", Data: []byte{1}}
	if err := Load(got, cfg, fileOf(t, "bytes", append(only("bert.", "visual.", "text_projection"), raw))); !errors.Is(err, ErrMismatch) || len(got) > 0 {
		t.Errorf("loaded %d, error %v", len(got), err)
	}
}
func TestArchitecture(t *testing.T) {
	cfg := tiny()
	emoji, _ := arch.Lookup("emoji")
	if got, err := Architecture(fileOf(t, "emoji", renamed(randomState(emoji, 1), module))); err != nil || got.Name != "emoji" {
		t.Errorf("%+v, %v", got, err)
	}
	hf, err := toHF(randomState(cfg, 1))
	if err != nil {
		t.Fatal(err)
	}
	f := fileOf(t, "hf", hf)
	if got, err := Architecture(f); err != nil || got.VisionLayers[0] != 2 || got.NumParams() != cfg.NumParams() || got.Name != "" {
		t.Errorf("%+v, %v", got, err)
	}
	f.Metadata = map[string]string{architectureKey: `{"name":"x"}`}
	if _, err := Architecture(f); err == nil {
		t.Error("an impossible architecture in the metadata was taken")
	}
	if _, err := Architecture(fileOf(t, "x", []tensor.Tensor{tensor.F32("visual.conv1.weight", nil, []float32{1})})); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "vision tower alone") {
		t.Error(err)
	}
}
func TestOpenModel(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	if err := WriteSafetensors(path, randomState(tiny(), 1), nil); err != nil {
		t.Fatal(err)
	}
	f, cfg, err := OpenModel(path)
	if err != nil || cfg.VisionWidth != 64 {
		t.Fatal(cfg, err)
	}
	f.Close()
	if _, _, err := OpenModel(filepath.Join(dir, "absent")); err == nil {
		t.Error("no error for an absent file")
	}
	if _, _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Error(err)
	}
}
