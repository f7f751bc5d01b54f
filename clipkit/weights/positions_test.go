package weights

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/weights/tensor"
)

// The golden values come from torch's bicubic interpolation with aligned corners.
func TestResizedPositionsEqualTorch(t *testing.T) {
	f, err := Open("../internal/golden/testdata/vit/resize_pos_embed.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	from, err := f.Tensor("from")
	if err != nil {
		t.Fatal(err)
	}
	for name, grid := range map[string]int{"to_grid3": 3, "to_grid6": 6, "to_grid7": 7} {
		got, err := resizePositions(from, grid)
		if err != nil {
			t.Fatal(err)
		}
		w, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := got.Float32()
		b, _ := w.Float32()
		worst := 0.0
		for i := range b {
			worst = max(worst, math.Abs(float64(a[i]-b[i])))
		}
		if !slices.Equal(got.Shape, w.Shape) || !(worst <= 1e-6) {
			t.Errorf("%s: shape %v, largest difference %g", name, got.Shape, worst)
		}
		t.Logf("%s: largest difference %.2g", name, worst)
	}
	if _, err := resizePositions(tensor.F32("x", []int{6, 1}, make([]float32, 6)), 3); err == nil {
		t.Error("5 positions are no square")
	}
	one, err := resizePositions(from, 1)
	if err != nil || one.Shape[0] != 2 {
		t.Error(one.Shape, err)
	}
}
func TestLoadResized(t *testing.T) {
	small, large := tiny(), tiny()
	large.ImageResolution = 56
	f := fileOf(t, "small", randomState(small, 1))
	got := recorder{}
	if err := Load(got, large, f); !errors.Is(err, ErrMismatch) || len(got) > 0 || !strings.Contains(err.Error(), "LoadResized") {
		t.Errorf("Load is not strict: %v", err)
	}
	note, err := LoadResized(got, large, f)
	if err != nil || !strings.Contains(note, "4×4 to 7×7") || !slices.Equal(got[positions].Shape, []int{50, 64}) {
		t.Errorf("%q, %v, %v", note, err, got[positions].Shape)
	}
	if note, err := LoadResized(recorder{}, small, f); note != "" || err != nil {
		t.Errorf("%q, %v", note, err)
	}
}
