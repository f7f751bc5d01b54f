package imaging

import (
	"context"
	"fmt"
)

// mean and deviation are CLIP's channel statistics, in units of full brightness (cn_clip/training/data.py:89).
var (
	mean      = [3]float32{0.48145466, 0.4578275, 0.40821073}
	deviation = [3]float32{0.26862954, 0.26130258, 0.27577711}
)

// Statistics are the channels' mean and standard deviation that Normalise uses, in units of full brightness: for programs that prepare pictures themselves.
func Statistics() (channelMean, std [3]float32) { return mean, deviation }

// Transform decodes a picture and makes its Tensor.
func Transform(encoded []byte, size int) ([]float32, error) {
	return TransformContext(context.Background(), encoded, size)
}

// TransformContext is Transform that ends with ctx, as DecodeContext does.
func TransformContext(ctx context.Context, encoded []byte, size int) ([]float32, error) {
	p, err := decodeFor(ctx, encoded, size)
	if err != nil {
		return nil, err
	}
	return p.Tensor(size), nil
}

// Tensor resizes to size × size (the aspect ratio is not kept), converts to RGB and normalises: [3, size, size].
// This is the reference's order for datasets in LMDB: validation, feature extraction and training without augmentation.
func (p *Picture) Tensor(size int) []float32 { return Normalise(p.Resize(size, size)) }

// TensorConvertFirst converts to RGB before it resizes: the reference's order for image folders (zero-shot classification).
func (p *Picture) TensorConvertFirst(size int) []float32 { return p.RGB().Tensor(size) }

// decodeFor is DecodeContext with a check of the size that will be asked of Resize.
func decodeFor(ctx context.Context, encoded []byte, size int) (*Picture, error) {
	if size < 1 || size > maxSide/64 {
		return nil, fmt.Errorf("imaging: preparing a picture of %d × %d pixels: the size must be 1 to %d (a model's image_resolution, such as 224)",
			size, size, maxSide/64)
	}
	return DecodeContext(ctx, encoded)
}

// Normalise gives (level/255 − mean) / deviation by channel, [3, Height, Width], in float32 steps as torchvision computes it.
// A picture in another mode is converted to RGB first.
func Normalise(p *Picture) []float32 {
	rgb := p.RGB().Pix
	n := len(rgb) / 3
	out := make([]float32, 3*n)
	table := normalised()
	red, green, blue := out[:n], out[n:2*n], out[2*n:3*n]
	for i := range red {
		pixel := rgb[3*i : 3*i+3 : 3*i+3]
		red[i], green[i], blue[i] = table[0][pixel[0]], table[1][pixel[1]], table[2][pixel[2]]
	}
	return out
}
