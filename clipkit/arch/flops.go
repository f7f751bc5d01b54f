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

// TrainFLOPs is the work of one pair in a training step: forward once, backward twice that (132.2 GFLOP for ViT-B-16 at 52 tokens).
func (c Config) TrainFLOPs(tokens int) float64 { return 3 * (c.ImageFLOPs() + c.TextFLOPs(tokens)) }

// blockFLOPs counts a stack of transformer blocks: four projections, two products of the attention, two of the MLP.
func blockFLOPs(layers, tokens, width, intermediate int) float64 {
	t, w, m := float64(tokens), float64(width), float64(intermediate)
	return float64(layers) * (2*t*(4*w*w+2*w*m) + 4*t*t*w)
}

func (c Config) resnetFLOPs() (n float64) {
	c.Convolutions(func(side, in, out, kernel int) { n += 2 * float64(side*side*in*out*kernel*kernel) })
	cells, width := c.Grid()*c.Grid(), float64(c.VisionWidth*32)
	tokens := float64(cells + 1)
	return n + 2*(2*tokens*width*width+width*width+width*float64(c.EmbedDim)) + 4*tokens*width
}

// Convolutions calls each for every convolution of a ResNet (cn_clip/clip/model.py:23-147), whose output for one picture is [side,side,out].
func (c Config) Convolutions(each func(side, in, out, kernel int)) {
	w, side := c.VisionWidth, c.ImageResolution/2
	each(side, 3, w/2, 3)
	each(side, w/2, w/2, 3)
	each(side, w/2, w, 3)
	side /= 2
	in := w
	for s, blocks := range c.VisionLayers {
		planes := w << s
		for b := range blocks {
			out := side
			if s > 0 && b == 0 {
				out = side / 2
			}
			each(side, in, planes, 1)
			each(side, planes, planes, 3)
			each(out, planes, 4*planes, 1)
			if HasDownsample(s, b, in, planes) {
				each(out, in, 4*planes, 1)
			}
			in, side = 4*planes, out
		}
	}
}
