package onnx

import (
	"fmt"
	"math"

	"clipnb/clipkit/arch"
)

// resnet is the ModifiedResNet with attention pool (cn_clip/clip/model.py:106).
func (g *graph) resnet(x string) string {
	x = g.short(x)
	for i := 1; i <= 3; i++ {
		g.scope = fmt.Sprintf("visual.conv%d", i)
		stride := 1
		if i == 1 {
			stride = 2
		}
		x = g.do("Relu", g.conv(x, g.scope, fmt.Sprintf("visual.bn%d", i), stride))
	}
	x = g.averagePool(x)
	in := g.cfg.VisionWidth
	for stage, blocks := range g.cfg.VisionLayers {
		planes := g.cfg.VisionWidth << stage
		for b := range blocks {
			x = g.bottleneck(x, stage, b, arch.HasDownsample(stage, b, in, planes))
			in = 4 * planes
		}
	}
	return g.attentionPool(g.full(x))
}

// bottleneck: 1×1, 3×3, [pool], 1×1 with expansion 4, plus the shortcut.
func (g *graph) bottleneck(x string, stage, block int, downsample bool) string {
	g.scope = fmt.Sprintf("visual.layer%d.%d", stage+1, block)
	name := g.scope + "."
	y := g.do("Relu", g.conv(x, name+"conv1", name+"bn1", 1))
	y = g.do("Relu", g.conv(y, name+"conv2", name+"bn2", 1))
	if stage > 0 && block == 0 {
		x, y = g.averagePool(x), g.averagePool(y)
	}
	y = g.conv(y, name+"conv3", name+"bn3", 1)
	if downsample {
		x = g.conv(x, name+"downsample.0", name+"downsample.1", 1)
	}
	return g.do("Relu", g.do("Add", y, x))
}

// averagePool halves height and width.
func (g *graph) averagePool(x string) string {
	return g.op("AveragePool", []string{x}, ints("kernel_shape", 2, 2), ints("strides", 2, 2))
}

// conv is a convolution that keeps the picture's size, but for the stride, with its BatchNorm in weights and bias.
func (g *graph) conv(x, name, norm string, stride int) string {
	weight := g.weights[name+".weight"]
	kernel := weight.Shape[2]
	side := kernel / 2
	folded := computed(weight.Name, weight.Shape, func() ([]float32, error) {
		scale, _, err := g.batchNorm(norm)
		if err != nil {
			return nil, err
		}
		values, err := weight.Float32()
		if err != nil {
			return nil, err
		}
		each := len(values) / len(scale)
		for i := range values {
			values[i] = float32(float64(values[i]) * scale[i/each])
		}
		return values, nil
	})
	bias := computed(name+".bias", weight.Shape[:1], func() ([]float32, error) {
		_, shift, err := g.batchNorm(norm)
		return shift, err
	})
	inputs := []string{x, g.kernel(folded), g.matrix(bias)}
	return g.op("Conv", inputs, ints("kernel_shape", kernel, kernel), ints("strides", stride, stride), ints("pads", side, side, side, side))
}

// batchNorm is y = scale·x + shift for each channel.
func (g *graph) batchNorm(name string) (scale []float64, shift []float32, err error) {
	var of [4][]float32
	for i, part := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		if of[i], err = g.weights[name+part].Float32(); err != nil {
			return nil, nil, err
		}
	}
	for c := range of[0] {
		s := float64(of[0][c]) / math.Sqrt(float64(of[3][c])+visionEpsilon)
		scale = append(scale, s)
		shift = append(shift, float32(float64(of[1][c])-float64(of[2][c])*s))
	}
	return scale, shift, nil
}

// attentionPool: the mean of the cells asks, the mean and the cells answer. x [B,C,G,G] → [B,D].
func (g *graph) attentionPool(x string) string {
	const name = "visual.attnpool."
	g.scope = "visual.attnpool"
	channels := g.cfg.VisionWidth * 32
	flat := func(x string) string { return g.do("Reshape", x, g.shape(0, channels, -1)) }
	x = g.op("Concat", []string{flat(g.do("GlobalAveragePool", x)), flat(x)}, integer("axis", 2))
	x = g.op("Transpose", []string{x}, ints("perm", 0, 2, 1)) // [B,1+G²,C]
	x = g.do("Add", x, g.at(name+"positional_embedding"))
	query := g.linear(name+"q_proj", g.rows(x, 0, 1))
	y := g.attention(query, g.linear(name+"k_proj", x), g.linear(name+"v_proj", x), "", g.cfg.VisionHeads(), channels)
	return g.linear(name+"c_proj", g.do("Squeeze", y, g.shape(1)))
}
