package datasettest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"

	"clipnb/clipkit/dataset"
)

// Memory is a split named "given" of these captions and picture files. A picture of no bytes is missing.
func Memory(captions []dataset.Text, pictures map[int64]string) dataset.Source {
	return memory{captions, pictures}
}

type memory struct {
	captions []dataset.Text
	pictures map[int64]string
}

func (m memory) Name() string          { return "given" }
func (m memory) Close() error          { return nil }
func (m memory) Texts() []dataset.Text { return m.captions }
func (m memory) ImageIDs() []int64     { return slices.Sorted(maps.Keys(m.pictures)) }
func (m memory) Image(id int64) ([]byte, error) {
	if data := m.pictures[id]; data != "" {
		return []byte(data), nil
	}
	return nil, fmt.Errorf("%w: image %d in given", dataset.ErrNotFound, id)
}

// Captions numbers captions from 1; each describes the picture of its number.
func Captions(captions ...string) (out []dataset.Text) {
	for i, c := range captions {
		out = append(out, dataset.Text{ID: int64(i + 1), Text: c, ImageIDs: []int64{int64(i + 1)}})
	}
	return out
}

// Pictures are n different ones with ids from 1.
func Pictures(n int) map[int64]string {
	out := make(map[int64]string)
	for i := range n {
		out[int64(i+1)] = Picture(40, 40, i)
	}
	return out
}

// Picture is a white PNG file with one pixel of the shade.
func Picture(width, height, shade int) string {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	m.Set(0, 0, color.RGBA{uint8(shade), uint8(shade >> 8), 7, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err) // a bytes.Buffer takes every write
	}
	return b.String()
}
