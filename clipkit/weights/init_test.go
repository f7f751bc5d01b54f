package weights

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/weights/tensor"
)

func TestLoadInit(t *testing.T) {
	cfg := tiny()
	clip := cfg
	clip.ImageResolution = 48
	var openai, bert []tensor.Tensor
	for _, x := range randomState(clip, 1) {
		if strings.HasPrefix(x.Name, "visual.") || x.Name == "logit_scale" {
			values, _ := x.Float32()
			openai = append(openai, tensor.F16(x.Name, x.Shape, values))
		}
	}
	openai = append(openai, tensor.F32("token_embedding.weight", []int{1}, []float32{1}), tensor.I64("input_resolution", 48))
	for _, x := range randomState(cfg, 2) {
		if strings.HasPrefix(x.Name, "bert.") {
			x.Name = strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(x.Name)
			bert = append(bert, x)
		}
	}
	bare := renamed(bert, func(n string) string { return strings.TrimPrefix(n, "bert.") })
	bert = append(bert, tensor.F32("bert.pooler.dense.bias", []int{1}, []float32{1}), tensor.F32("cls.predictions.bias", []int{1}, []float32{1}))
	for name, text := range map[string][]tensor.Tensor{"bert": bert, "bare": bare} {
		got := recorder{}
		report, err := LoadInit(got, cfg, fileOf(t, "openai", openai), fileOf(t, name, text))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(report.Missing, []string{"text_projection"}) || len(report.Taken) != len(cfg.Tensors())-1 || len(got) != len(report.Taken) {
			t.Errorf("%s: %+v", name, report)
		}
		if len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "6×6 to 4×4") || !slices.Contains(report.Left, "openai: token_embedding.weight") {
			t.Errorf("%s: %+v", name, report)
		}
		if name == "bert" && (!slices.Contains(report.Left, "bert: bert.pooler.dense.bias") || !slices.Contains(report.Left, "bert: cls.predictions.bias")) {
			t.Errorf("left: %v", report.Left)
		}
		if !strings.Contains(report.String(), "1 keep their random values (text_projection)") {
			t.Error(report)
		}
	}
	odd := renamed(bare, func(n string) string { return n })
	odd[0] = tensor.F32(odd[0].Name, []int{2, 2}, make([]float32, 4))
	for name, files := range map[string][2]*File{
		"mis-shaped": {nil, fileOf(t, "mis-shaped", odd)},
		"swapped":    {fileOf(t, "swapped", bare), nil},
		"no bert":    {nil, fileOf(t, "no bert", openai)},
	} {
		got := recorder{}
		if _, err := LoadInit(got, cfg, files[0], files[1]); !errors.Is(err, ErrMismatch) || len(got) > 0 || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: set %d, error %v", name, len(got), err)
		}
	}
	three := cfg
	three.TextLayers = 1
	report, err := LoadInit(recorder{}, three, nil, fileOf(t, "bert", bert))
	if err != nil || !slices.Contains(report.Left, "bert: bert.encoder.layer.1.output.dense.weight") {
		t.Errorf("a BERT with more layers: %v %+v", err, report)
	}
}
