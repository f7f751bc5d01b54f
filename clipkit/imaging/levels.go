package imaging

import (
	"context"
	"math/rand/v2"
)

// Levels are what Normalise makes its tensor of: the bytes of a picture in RGB, channel by channel, [3, Height, Width]. They are a quarter of the tensor, and the
// model's graphs normalise them on the device, in the same float32 steps.
func Levels(p *Picture) []uint8 {
	rgb := p.RGB().Pix
	n := len(rgb) / 3
	out := make([]uint8, 3*n)
	red, green, blue := out[:n], out[n:2*n], out[2*n:3*n]
	for i := range red {
		pixel := rgb[3*i : 3*i+3 : 3*i+3]
		red[i], green[i], blue[i] = pixel[0], pixel[1], pixel[2]
	}
	return out
}

// NormaliseLevels makes of the Levels of n pictures of one size, [n, 3, Height, Width], their tensors.
func NormaliseLevels(levels []uint8, n int) []float32 {
	out, table := make([]float32, len(levels)), normalised()
	plane := len(levels) / max(3*n, 1)
	for at := 0; plane > 0 && at < len(levels); at += plane {
		values := &table[at/plane%3]
		to := out[at : at+plane]
		for i, level := range levels[at : at+plane] {
			to[i] = values[level]
		}
	}
	return out
}

// normalised has the value of each level of each channel.
func normalised() (table [3][256]float32) {
	for c := range table {
		for level := range table[c] {
			table[c][level] = (float32(level)/255 - mean[c]) / deviation[c]
		}
	}
	return table
}

// TransformLevels is TransformContext without normalising.
func TransformLevels(ctx context.Context, encoded []byte, size int) ([]uint8, error) {
	p, err := decodeFor(ctx, encoded, size)
	if err != nil {
		return nil, err
	}
	return p.Levels(size), nil
}

// Levels is Tensor without normalising.
func (p *Picture) Levels(size int) []uint8 { return Levels(p.Resize(size, size)) }

// LevelsConvertFirst is TensorConvertFirst without normalising.
func (p *Picture) LevelsConvertFirst(size int) []uint8 { return p.RGB().Levels(size) }

// TransformLevels is TransformContext without normalising.
func (a Augment) TransformLevels(ctx context.Context, encoded []byte, size int, rng *rand.Rand) ([]uint8, error) {
	p, err := decodeFor(ctx, encoded, size)
	if err != nil {
		return nil, err
	}
	return Levels(a.apply(p, size, rng)), nil
}
