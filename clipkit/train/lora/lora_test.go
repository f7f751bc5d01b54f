package lora

import (
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/golden"
)

// The matrices of the blocks are adapted: four of each in the vision tower, six in the text tower.
func TestAdapters(t *testing.T) {
	vit, rn := golden.Config(t, "vit"), golden.Config(t, "rn")
	for _, c := range []struct {
		name   string
		cfg    arch.Config
		frozen bool
		want   int
	}{{"vit", vit, false, 4*vit.VisionLayers[0] + 6*vit.TextLayers}, {"vit, frozen", vit, true, 6 * vit.TextLayers}, {"rn", rn, false, 6 * rn.TextLayers}} {
		list := Adapters(c.cfg, 3, c.frozen)
		if len(list) != c.want {
			t.Errorf("%s: %d matrices, want %d", c.name, len(list), c.want)
		}
		for _, ad := range list {
			out, in := ad.Matrix.Shape[0], ad.Matrix.Shape[1]
			if !slices.Equal(ad.A.Shape, []int{3, in}) || !slices.Equal(ad.B.Shape, []int{out, 3}) {
				t.Errorf("%s: %s [%d,%d] has A %v and B %v", c.name, ad.Matrix.Name, out, in, ad.A.Shape, ad.B.Shape)
			}
		}
	}
}

func TestBegin(t *testing.T) {
	list := Adapters(golden.Config(t, "vit"), 3, false)
	a, bound := list[0].Begin(5), float32(1/math.Sqrt(float64(list[0].Matrix.Shape[1])))
	if len(a) != list[0].A.Size() || slices.Max(a) > bound || slices.Min(a) < -bound || slices.Max(a) < bound/2 || slices.Min(a) > -bound/2 {
		t.Errorf("%d values from %v to %v, want %d within ±%v", len(a), slices.Min(a), slices.Max(a), list[0].A.Size(), bound)
	}
	if !slices.Equal(a, list[0].Begin(5)) || slices.Equal(a, list[0].Begin(6)) || slices.Equal(a, list[1].Begin(5)[:len(a)]) {
		t.Error("a matrix and a seed do not give values of their own")
	}
}

// 1 + 2·3·5 is 31: the sum is taken, others and factors of another rank are refused.
func TestCheck(t *testing.T) {
	ad := Adapter{Matrix: arch.Tensor{Name: "w", Shape: []int{1, 1}}, A: arch.Tensor{Shape: []int{1, 1}}, B: arch.Tensor{Shape: []int{1, 1}}}
	for _, c := range []struct {
		a      []float32
		merged float32
		want   string
	}{{[]float32{3}, 31, ""}, {[]float32{3}, 31.01, "the model is not the one that this LoRA run began with (w differs)"}, {[]float32{3, 3}, 31, "lora_rank is 1, and the additions of w have another rank"}} {
		err := ad.Check([]float32{1}, c.a, []float32{5}, []float32{c.merged}, 2)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v with A %v: %v, want %q", c.merged, c.a, err, c.want)
		}
	}
}
