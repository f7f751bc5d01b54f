package onnx

import (
	"testing"

	"clipnb/clipkit/arch"
)

// Weights that no protobuf message can hold lie beside without being asked to; of ViT-H-14 those are the images'. Everything stands at its own place.
func TestWeightsLieBesideWhereTheyMust(t *testing.T) {
	cfg, err := arch.Lookup("ViT-H-14")
	if err != nil {
		t.Fatal(err)
	}
	list := unread(cfg)
	for _, c := range []struct {
		side   Side
		p      Precision
		beside bool
	}{{Images, F32, true}, {Images, F16, false}, {Images, Int8, false}, {Texts, F32, false}} {
		g, err := tower(c.side, cfg, list, Options{Precision: c.p}, "")
		if err != nil {
			t.Fatal(err)
		}
		tensors, besides := g.layout("x")
		if (besides > 0) != c.beside {
			t.Errorf("%s %s: %d bytes lie beside", c.side, c.p, besides)
		}
		end := 0
		for _, i := range tensors {
			if !i.beside {
				continue
			}
			if i.offset < end || i.offset%alignment != 0 {
				t.Errorf("%s lies at %d, the one before it ends at %d", i.tensor.Name, i.offset, end)
			}
			end = i.offset + i.tensor.NumBytes()
		}
		if end != besides {
			t.Errorf("%s %s: the last tensor ends at %d of %d bytes", c.side, c.p, end, besides)
		}
	}
}
