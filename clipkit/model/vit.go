package model

import (
	"fmt"
	"math"

	"clipnb/clipkit/model/pixels"

	. "github.com/gomlx/gomlx/core/graph"
)

// visionEpsilon is the LayerNorm and BatchNorm epsilon of both vision towers.
const visionEpsilon = 1e-5

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }

// VisualFeatures is the vision tower: images [B,3,R,R], float32 or levels as uint8 → [B,D], not normalised (cn_clip/clip/model.py:390).
func VisualFeatures(p *Params, images *Node) *Node {
	r := p.Config.ImageResolution
	images.AssertDims(-1, 3, r, r)
	images = pixels.Normalised(images)
	if p.Config.IsResNet() {
		return resnet(p, images)
	}
	return vit(p, images)
}

func vit(p *Params, images *Node) *Node {
	batch, width := images.Shape().Dim(0), p.Config.VisionWidth
	x := p.patchEmbedding(images)
	class := BroadcastToDims(Reshape(p.At("visual.class_embedding"), 1, 1, width), batch, 1, width)
	x = Concatenate([]*Node{class, x}, 1) // [B, 1+patches, width]
	x = Add(x, ExpandLeftToRank(p.At("visual.positional_embedding"), 3))
	if p.VisiblePatches != nil {
		x = visiblePatches(x, p.VisiblePatches)
	}
	x = p.layerNorm("visual.ln_pre", x, visionEpsilon)
	layers := p.Config.VisionLayers[0]
	for i := range layers {
		wanted := x.Shape().Dim(1)
		if i == layers-1 {
			wanted = 1 // the features read the class token only
		}
		x = vitBlock(p, fmt.Sprintf("visual.transformer.resblocks.%d.", i), p.block(x), wanted)
	}
	x = p.lastBlock(x)
	x = p.layerNorm("visual.ln_post", Reshape(x, batch, width), visionEpsilon)
	features, _ := p.dot(x, p.raw("visual.proj"), 0, nil)
	return features
}

// patchEmbedding is the patch convolution, whose kernel is its stride: one product over patches flattened as [3,P,P], the order of its
// weight. [B,3,R,R] → [B,patches,width], row by row.
func (p *Params) patchEmbedding(images *Node) *Node {
	batch, g, size, width := images.Shape().Dim(0), p.Config.Grid(), p.Config.VisionPatchSize, p.Config.VisionWidth
	x := Reshape(images, batch, 3, g, size, g, size)
	x = Reshape(TransposeAllAxes(x, 0, 2, 4, 1, 3, 5), batch, g*g, 3*size*size)
	return p.affine(x, Reshape(p.raw("visual.conv1.weight"), width, 3*size*size), nil)
}

// vitBlock is a pre-LN block: x + attention(ln_1(x)), then x + MLP(ln_2(x)) with QuickGELU. Every token of x [B,T,W] answers, the first
// wanted ones ask and come out: [B,wanted,W].
func vitBlock(p *Params, name string, x *Node, wanted int) *Node {
	width := p.Config.VisionWidth
	weight, bias := p.raw(name+"attn.in_proj_weight"), p.At(name+"attn.in_proj_bias") // rows of q, k, v
	norm := p.layerNorm(name+"ln_1", x, visionEpsilon)
	part := func(i int, x *Node) *Node { // three products: slices of one would be copied
		rows := AxisRange(i*width, (i+1)*width)
		return p.affine(x, Slice(weight, rows), Slice(bias, rows))
	}
	if !p.Training && wanted == x.Shape().Dim(1) {
		// Without gradients one product does as well, as its slices are copied into heads anyway. Those of the weights XLA:CPU would make for all
		// blocks before the first one runs: 0.6 GB of ViT-H-14.
		all := p.affine(norm, weight, bias)
		part = func(i int, _ *Node) *Node {
			return Slice(all, AxisRange(), AxisRange(), AxisRange(i*width, (i+1)*width))
		}
	}
	q, k, v := part(0, firstTokens(norm, wanted)), part(1, norm), part(2, norm)
	x = Add(firstTokens(x, wanted), p.linear(name+"attn.out_proj", p.attention(q, k, v, nil, p.Config.VisionHeads(), 0)))
	h := p.activated(name+"mlp.c_fc", p.layerNorm(name+"ln_2", x, visionEpsilon), quickGELU)
	return Add(x, p.linear(name+"mlp.c_proj", h))
}

// firstTokens takes the first n tokens of x [B,T,W].
func firstTokens(x *Node, n int) *Node {
	if n == x.Shape().Dim(1) {
		return x
	}
	return Slice(x, AxisRange(), AxisRange(0, n), AxisRange())
}
