package arch

// ImageFLOPs is the work of encoding one picture: two per multiply-add of the matrix products and convolutions; norms and activations are left out.
func (c Config) ImageFLOPs() float64 {
	if c.IsResNet() {
		return c.resnetFLOPs()
	}
	return blockFLOPs(c.VisionLayers[0], c.Grid()*c.Grid()+1, c.VisionWidth, 4*c.VisionWidth) +
		2*float64(c.Grid()*c.Grid()*3*c.VisionPatchSize*c.VisionPatchSize*c.VisionWidth) +
		2*float64(c.VisionWidth*c.EmbedDim)
}

// TextFLOPs is the work of encoding one text of the given number of tokens.
func (c Config) TextFLOPs(tokens int) float64 {
	return blockFLOPs(c.TextLayers, tokens, c.TextWidth, c.TextIntermediate) + 2*float64(c.TextWidth*c.EmbedDim)
}

// TrainFLOPs is the work of one pair in a training step: forward once, backward twice that (SPEC: 132.2 GFLOP for ViT-B-16 at 52 tokens).
func (c Config) TrainFLOPs(tokens int) float64 { return 3 * (c.ImageFLOPs() + c.TextFLOPs(tokens)) }

// blockFLOPs: four projections, two products of the attention, two of the MLP.
func blockFLOPs(layers, tokens, width, intermediate int) float64 {
	t, w, m := float64(tokens), float64(width), float64(intermediate)
	return float64(layers) * (2*t*(4*w*w+2*w*m) + 4*t*t*w)
}

func (c Config) resnetFLOPs() float64 {
	w, side := c.VisionWidth, c.ImageResolution/2
	conv := func(side, in, out, k int) float64 { return 2 * float64(side*side*in*out*k*k) }
	n := conv(side, 3, w/2, 3) + conv(side, w/2, w/2, 3) + conv(side, w/2, w, 3)
	side /= 2
	in := w
	for s, blocks := range c.VisionLayers {
		planes := w << s
		for b := range blocks {
			out := side
			if s > 0 && b == 0 {
				out = side / 2
			}
			n += conv(side, in, planes, 1) + conv(side, planes, planes, 3) + conv(out, planes, 4*planes, 1)
			if HasDownsample(s, b, in, planes) {
				n += conv(out, in, 4*planes, 1)
			}
			in, side = 4*planes, out
		}
	}
	tokens, width := float64(side*side+1), float64(in)
	return n + 2*(2*tokens*width*width+width*width+width*float64(c.EmbedDim)) + 4*tokens*width
}
