package arch

import (
	"errors"
	"math"
	"testing"
)

// The counts were read off the reference's own modules, made from its configuration files.
func TestCountsOfThePublishedModels(t *testing.T) {
	for _, w := range []struct {
		name                             string
		params, visual, tensors, buffers int
	}{
		{"RN50", 76989537, 38316896, 394, 165},
		{"ViT-B-16", 188262913, 86192640, 351, 0},
		{"ViT-L-14", 406233089, 303966208, 495, 0},
		{"ViT-L-14-336", 406560769, 304293888, 495, 0},
		{"ViT-H-14", 957598209, 632076800, 783, 0},
		{"ViT-B-32", 189919489, 87849216, 351, 0},
	} {
		c, err := Lookup(w.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		buffers := 0
		for _, x := range c.Tensors() {
			if x.Buffer {
				buffers++
			}
		}
		if c.NumParams() != w.params || c.NumVisualParams() != w.visual || len(c.Tensors()) != w.tensors || buffers != w.buffers {
			t.Errorf("%s: %d parameters (%d visual), %d tensors, %d buffers; want %+v", w.name, c.NumParams(), c.NumVisualParams(), len(c.Tensors()), buffers, w)
		}
	}
}

// In half precision the embedded model must stay under 12 MB.
func TestSizeOfTheEmbeddedModel(t *testing.T) {
	c, err := Lookup("emoji")
	if err != nil || c.Check() != nil {
		t.Fatal(err, c.Check())
	}
	if bytes := 2 * c.NumParams(); bytes > 11_500_000 {
		t.Errorf("%d bytes", bytes)
	}
}

func TestTrainFLOPsOfViTB16(t *testing.T) {
	c, _ := Lookup("ViT-B/16")
	if g := c.TrainFLOPs(52) / 1e9; math.Abs(g-132.2) > 0.5 {
		t.Errorf("a training pair costs %.1f GFLOP, want 132.2", g)
	}
}

func TestParse(t *testing.T) {
	vision := []byte(`{"embed_dim":32,"image_resolution":64,"vision_layers":"[1,2,1,1]","vision_width":4,"vision_patch_size":null}`)
	text := []byte(`{"vocab_size":21128,"text_attention_probs_dropout_prob":0.0,"text_hidden_act":"gelu","text_hidden_dropout_prob":0.0,"text_hidden_size":8,
		"text_initializer_range":0.02,"text_intermediate_size":24,"text_max_position_embeddings":512,"text_num_attention_heads":2,"text_num_hidden_layers":3,"text_type_vocab_size":2}`)
	c, err := Parse("tiny", vision, text)
	if err != nil || len(c.VisionLayers) != 4 || !c.IsResNet() || c.ContextLength != 52 || c.VisionHeads() != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, files := range map[string][][]byte{
		"unknown key":  {[]byte(`{"embed_dimm":3}`)},
		"text missing": {vision},
		"not JSON":     {[]byte(`{`)},
		"layers":       {[]byte(`{"vision_layers":"many"}`)},
	} {
		if _, err := Parse("bad", files...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Lookup("ViT-Z"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}
