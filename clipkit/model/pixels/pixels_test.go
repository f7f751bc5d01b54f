package pixels

import (
	"slices"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/imaging"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Each of the 256 levels of each channel gets in a graph what it gets from imaging.Normalise on the host, to the bit.
func TestLevelsAreNormalised(t *testing.T) {
	levels := make([]uint8, 3*256)
	for i := range levels {
		levels[i] = uint8(i)
	}
	dev, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	e, err := NewExec(dev.Backend, Normalised)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	out, err := e.Call(tensors.FromFlatDataAndDimensions(levels, 1, 3, 16, 16))
	if err != nil {
		t.Fatal(err)
	}
	got, err := tensors.CopyFlatData[float32](out[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range imaging.NormaliseLevels(levels, 1) {
		if got[i] != want {
			t.Errorf("channel %d, level %d: %v, want %v", i/256, i%256, got[i], want)
		}
	}
}

// Parts are cut alike in both forms, and an engine that takes no levels gets values.
func TestPartsAndForms(t *testing.T) {
	levels := []uint8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	p := Pictures{Levels: levels}
	v := Pictures{Values: imaging.NormaliseLevels(levels, 4)}
	if p.Len() != 12 || v.Len() != 12 || !slices.Equal(p.Float32(4), v.Values) {
		t.Errorf("%v, %v", p, v)
	}
	if got := p.Part(1, 4).Levels; !slices.Equal(got, levels[3:6]) {
		t.Errorf("part 1 of 4: %v", got)
	}
	if got, want := p.Parts(4, 3, 0), append(slices.Clone(levels[9:]), levels[:3]...); !slices.Equal(got.Levels, want) || !slices.Equal(v.Parts(4, 3, 0).Values, got.Float32(2)) {
		t.Errorf("parts 3 and 0: %v", got)
	}
	if got := p.On(&device.Device{Engine: "xla"}, 4); got.Values != nil || len(got.Levels) != 12 {
		t.Errorf("for XLA: %v", got)
	}
	if got := p.On(&device.Device{Engine: "onnx"}, 4); got.Levels != nil || !slices.Equal(got.Values, v.Values) {
		t.Errorf("for ONNX Runtime: %v", got)
	}
}
