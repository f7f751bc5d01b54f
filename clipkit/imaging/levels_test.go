package imaging

import (
	"bytes"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"
)

// Levels are what the tensors are made of: normalised they are the same bits, in every mode and on every way to them.
func TestLevelsAreTheTensors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, mode := range []Mode{RGB, RGBA, Grey, GreyAlpha, CMYK} {
		p := &Picture{Mode: mode, Width: 37, Height: 23, Pix: make([]byte, 37*23*mode.Bytes())}
		for i := range p.Pix {
			p.Pix[i] = byte(rng.IntN(256))
		}
		for name, c := range map[string]struct {
			levels []uint8
			want   []float32
		}{
			"as it is":     {Levels(p), Normalise(p)},
			"resized":      {p.Levels(16), p.Tensor(16)},
			"RGB, then so": {p.LevelsConvertFirst(16), p.TensorConvertFirst(16)},
		} {
			if !slices.Equal(NormaliseLevels(c.levels, 1), c.want) {
				t.Errorf("%v, %s: other values", mode, name)
			}
			two := append(slices.Clone(c.levels), c.levels...)
			if !slices.Equal(NormaliseLevels(two, 2), append(slices.Clone(c.want), c.want...)) {
				t.Errorf("%v, %s, twice: other values", mode, name)
			}
		}
	}
	if got := NormaliseLevels(nil, 0); len(got) != 0 {
		t.Errorf("no pictures are %v", got)
	}
	encoded := redPNG(t)
	same := func(what string, levels []uint8, err error, values []float32, err2 error) {
		if err != nil || err2 != nil || !slices.Equal(NormaliseLevels(levels, 1), values) {
			t.Errorf("%s: other values (%v, %v)", what, err, err2)
		}
	}
	levels, err := TransformLevels(t.Context(), encoded, 32)
	values, err2 := Transform(encoded, 32)
	same("Transform", levels, err, values, err2)
	levels, err = Reference.TransformLevels(t.Context(), encoded, 32, rand.New(rand.NewPCG(3, 4)))
	values, err2 = Reference.Transform(encoded, 32, rand.New(rand.NewPCG(3, 4)))
	same("Reference.Transform", levels, err, values, err2)
	if _, err := TransformLevels(t.Context(), encoded[:20], 32); err == nil {
		t.Error("a file that is cut off is prepared")
	}
	if _, err := Reference.TransformLevels(t.Context(), encoded, 0, rand.New(rand.NewPCG(3, 4))); err == nil {
		t.Error("a picture without size is prepared")
	}
}

func redPNG(t *testing.T) []byte {
	t.Helper()
	p := &Picture{Mode: RGB, Width: 40, Height: 30, Pix: make([]byte, 3*40*30)}
	for i := range p.Pix {
		p.Pix[i] = byte(7 * i)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p.Image()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
