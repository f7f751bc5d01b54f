package main

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"path/filepath"
	"testing"

	"clipnb/clipkit"
)

// Vectors of a moved model are those of the model less the same vector each, whatever is drawn or written.
func TestMoved(t *testing.T) {
	ctx := t.Context()
	m := clipkit.Must(clipkit.New(ctx, "emoji", 7))
	defer m.Close()
	words := []string{"狗", "一只黑色的猫", "交通工具"}
	var drawn []image.Image
	for i := range words {
		p := image.NewRGBA(image.Rect(0, 0, 64, 64))
		draw.Draw(p, image.Rect(8*i, 8, 40, 60-16*i), image.NewUniform(color.RGBA{R: byte(90 * i), G: 200, A: 255}), image.Point{}, draw.Src)
		drawn = append(drawn, p)
	}
	ofTexts, ofPictures := clipkit.Must(m.RawTexts(ctx, words)), clipkit.Must(m.RawImages(ctx, drawn))
	text, picture := shared(0.5, ofTexts), shared(0.25, ofPictures)
	c := moved(ctx, m, text, picture, filepath.Join(t.TempDir(), "moved.safetensors"))
	defer c.Close()
	for i := range words {
		less(t, words[i], ofTexts[i], text, clipkit.Must(c.RawTexts(ctx, words))[i])
		less(t, "picture", ofPictures[i], picture, clipkit.Must(c.RawImages(ctx, drawn))[i])
	}
}

func less(t *testing.T, name string, from, by, got []float32) {
	t.Helper()
	moved := 0.0
	for k := range from {
		moved += math.Abs(float64(by[k]))
		if off := math.Abs(float64(from[k] - by[k] - got[k])); off > 1e-4*(1+math.Abs(float64(from[k]))) {
			t.Fatalf("%s: %v less %v is %v", name, from[k], by[k], got[k])
		}
	}
	if moved == 0 {
		t.Errorf("%s: nothing was taken away", name)
	}
}
