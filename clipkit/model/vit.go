package model

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// visionEpsilon is the LayerNorm and BatchNorm epsilon of both vision towers.
const visionEpsilon = 1e-5

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }

// VisualFeatures is the vision tower: images [B,3,R,R] → [B,D], not normalised (SPEC §1.3, §1.5).
func VisualFeatures(p *Params, images *Node) *Node {
	r := p.Config.ImageResolution
	images.AssertDims(-1, 3, r, r)
	if p.Config.IsResNet() {
		return resnet(p, images)
	}
	return vit(p, images)
}

func vit(p *Params, images *Node) *Node {
	batch, g, size, width := images.Shape().Dim(0), p.Config.Grid(), p.Config.VisionPatchSize, p.Config.VisionWidth
	// The patch convolution (kernel = stride) is one product over patches flattened as [3,P,P], the order of its weight.
	x := Reshape(images, batch, 3, g, size, g, size)
	x = Reshape(TransposeAllAxes(x, 0, 2, 4, 1, 3, 5), batch, g*g, 3*size*size)
	x = affine(x, Reshape(p.At("visual.conv1.weight"), width, 3*size*size), nil) // [B, patches, width]

	class := BroadcastToDims(Reshape(p.At("visual.class_embedding"), 1, 1, width), batch, 1, width)
	x = Concatenate([]*Node{class, x}, 1) // [B, 1+patches, width]
	x = Add(x, ExpandLeftToRank(p.At("visual.positional_embedding"), 3))
	x = p.layerNorm("visual.ln_pre", x, visionEpsilon)
	for i := range p.Config.VisionLayers[0] {
		x = vitBlock(p, fmt.Sprintf("visual.transformer.resblocks.%d.", i), x)
	}
	x = Reshape(Slice(x, AxisRange(), AxisElem(0), AxisRange()), batch, width)
	x = p.layerNorm("visual.ln_post", x, visionEpsilon)
	return Dot(x, p.At("visual.proj")).Product()
}

// vitBlock is a pre-LN block: x + attention(ln_1(x)), then x + MLP(ln_2(x)) with QuickGELU.
func vitBlock(p *Params, name string, x *Node) *Node {
	width := p.Config.VisionWidth
	qkv := affine(p.layerNorm(name+"ln_1", x, visionEpsilon), p.At(name+"attn.in_proj_weight"), p.At(name+"attn.in_proj_bias"))
	part := func(i int) *Node { return Slice(qkv, AxisRange(), AxisRange(), AxisRange(i*width, (i+1)*width)) }
	x = Add(x, p.linear(name+"attn.out_proj", p.attention(part(0), part(1), part(2), nil, p.Config.VisionHeads(), 0)))
	h := p.linear(name+"mlp.c_fc", p.layerNorm(name+"ln_2", x, visionEpsilon))
	h = Mul(h, Sigmoid(MulScalar(h, 1.702)))
	return Add(x, p.linear(name+"mlp.c_proj", h))
}
