package onnx

import (
	"fmt"

	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

// visionEpsilon is the LayerNorm and BatchNorm epsilon of both vision towers.
const visionEpsilon = 1e-5

// images is the vision tower.
func (g *graph) images() {
	r := g.cfg.ImageResolution
	g.proto.Name = g.cfg.Name + " images"
	g.proto.Input = []*onnxpb.ValueInfoProto{described("image", onnxpb.TensorProto_FLOAT, "batch", 3, r, r)}
	if g.cfg.IsResNet() {
		g.features("image_features", g.resnet("image"))
		return
	}
	g.features("image_features", g.vit("image"))
}

func (g *graph) vit(image string) string {
	width, size := g.cfg.VisionWidth, g.cfg.VisionPatchSize
	g.scope = "visual.conv1"
	x := g.op("Conv", []string{g.short(image), g.kernel(g.weights["visual.conv1.weight"])}, ints("kernel_shape", size, size), ints("strides", size, size))
	x = g.do("Reshape", g.full(x), g.shape(0, width, -1))
	x = g.op("Transpose", []string{x}, ints("perm", 0, 2, 1)) // [B,patches,W]
	x = g.do("Pad", x, g.shape(0, 1, 0, 0, 0, 0))             // the class token, which classPositions fills
	x = g.do("Add", x, g.add(g.classPositions()))
	g.scope = "visual.ln_pre"
	x = g.layerNorm("visual.ln_pre", x, visionEpsilon)
	for i := range g.cfg.VisionLayers[0] {
		g.scope = fmt.Sprintf("visual.transformer.resblocks.%d", i)
		x = g.vitBlock(g.scope+".", x, i == g.cfg.VisionLayers[0]-1)
	}
	g.scope = "visual.proj"
	x = g.layerNorm("visual.ln_post", g.do("Squeeze", x, g.shape(1)), visionEpsilon)
	return g.times(x, transposed(g.weights["visual.proj"]))
}

// classPositions are the positions, with the class embedding in the first.
func (g *graph) classPositions() tensor.Tensor {
	positions, class := g.weights["visual.positional_embedding"], g.weights["visual.class_embedding"]
	return computed(positions.Name, append([]int{1}, positions.Shape...), func() ([]float32, error) {
		first, err := class.Float32()
		if err != nil {
			return nil, err
		}
		values, err := positions.Float32()
		if err != nil {
			return nil, err
		}
		for i, v := range first {
			values[i] += v
		}
		return values, nil
	})
}

// vitBlock is pre-LN: x + attention(ln_1(x)), then x + MLP(ln_2(x)) with QuickGELU. In the last block only the class token asks and comes out, as
// the features read nothing else.
func (g *graph) vitBlock(name, x string, last bool) string {
	norm := g.layerNorm(name+"ln_1", x, visionEpsilon)
	asking := norm
	if last {
		x, asking = g.rows(x, 0, 1), g.rows(norm, 0, 1)
	}
	part := func(i int, of, x string) string { // q, k and v lie below each other
		third := func(t tensor.Tensor) tensor.Tensor {
			t, err := tensor.Third(t.Name+"."+of, t, i)
			if err != nil {
				panic(err) // take has looked at the shapes
			}
			return t
		}
		return g.affine(x, third(g.weights[name+"attn.in_proj_weight"]), third(g.weights[name+"attn.in_proj_bias"]))
	}
	y := g.attention(part(0, "q", asking), part(1, "k", norm), part(2, "v", norm), "", g.cfg.VisionHeads(), g.cfg.VisionWidth)
	x = g.do("Add", x, g.linear(name+"attn.out_proj", y))
	y = g.quickGELU(g.linear(name+"mlp.c_fc", g.layerNorm(name+"ln_2", x, visionEpsilon)))
	return g.do("Add", x, g.linear(name+"mlp.c_proj", y))
}
