package model

import (
	"fmt"

	"clipnb/clipkit/arch"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// BatchNormMomentum is PyTorch's: running ← 0.9·running + 0.1·batch.
const BatchNormMomentum = 0.1

// resnet is the ModifiedResNet with attention pool (cn_clip/clip/model.py:106). Inside, pictures are [B,H,W,C], so that convolutions are 2-D products.
func resnet(p *Params, images *Node) *Node {
	x := TransposeAllAxes(images, 0, 2, 3, 1)
	for i := 1; i <= 3; i++ {
		stride := 1
		if i == 1 {
			stride = 2
		}
		x = relu(batchNorm(p, fmt.Sprintf("visual.bn%d", i), p.conv3(x, p.raw(fmt.Sprintf("visual.conv%d.weight", i)), stride)))
	}
	x = averagePool(x)
	for stage, blocks := range p.Config.VisionLayers {
		for b := range blocks {
			x = bottleneck(p, stage, b, x)
		}
	}
	return attentionPool(p, x)
}

// bottleneck: 1×1, 3×3, [pool], 1×1 with expansion 4, plus the shortcut.
func bottleneck(p *Params, stage, block int, x *Node) *Node {
	name := fmt.Sprintf("visual.layer%d.%d.", stage+1, block)
	halve := stage > 0 && block == 0
	y := relu(batchNorm(p, name+"bn1", p.conv1(x, p.raw(name+"conv1.weight"))))
	y = relu(batchNorm(p, name+"bn2", p.conv3(y, p.raw(name+"conv2.weight"), 1)))
	shortcut := x
	if halve {
		y, shortcut = averagePool(y), averagePool(x)
	}
	y = batchNorm(p, name+"bn3", p.conv1(y, p.raw(name+"conv3.weight")))
	if arch.HasDownsample(stage, block, x.Shape().Dim(3), p.Config.VisionWidth<<stage) {
		shortcut = batchNorm(p, name+"downsample.1", p.conv1(shortcut, p.raw(name+"downsample.0.weight")))
	}
	return relu(Add(y, shortcut))
}

// conv1 is a 1×1 convolution: x [B,H,W,in], weight [out,in,1,1].
func (p *Params) conv1(x, weight *Node) *Node {
	return p.affine(x, Reshape(weight, weight.Shape().Dim(0), weight.Shape().Dim(1)), nil)
}

// conv3 is a 3×3 convolution with padding 1: nine shifted views beside each other, then one product.
// With stride 2 the padded picture is split into even and odd rows and columns first, so that no slice is strided.
func (p *Params) conv3(x, weight *Node, stride int) *Node {
	batch, h, w, in := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	out := weight.Shape().Dim(0)
	one := compute.PadAxis{Start: 1, End: 1}
	x = Pad(x, ScalarZero(x.Graph(), x.DType()), compute.PadAxis{}, one, one, compute.PadAxis{})
	oh, ow := h/stride, w/stride
	x = Reshape(x, batch, (h+2)/stride, stride, (w+2)/stride, stride, in)
	var views []*Node
	for dy := range 3 {
		for dx := range 3 {
			y0, x0 := dy/stride, dx/stride
			v := Slice(x, AxisRange(), AxisRange(y0, y0+oh), AxisElem(dy%stride), AxisRange(x0, x0+ow), AxisElem(dx%stride), AxisRange())
			views = append(views, Reshape(v, batch, oh, ow, in))
		}
	}
	columns := Concatenate(views, -1) // [B,H,W,9·in], ordered (dy,dx,in)
	return p.affine(columns, Reshape(TransposeAllAxes(weight, 0, 2, 3, 1), out, 9*in), nil)
}

// averagePool halves height and width by the mean of 2×2 cells.
func averagePool(x *Node) *Node {
	d := x.Shape().Dimensions
	return ReduceMean(Reshape(x, d[0], d[1]/2, 2, d[2]/2, 2, d[3]), 2, 4)
}

func relu(x *Node) *Node { return Max(x, ZerosLike(x)) }

// batchNorm over all axes but the last. In training it uses the batch's statistics, or for each rank its part's, and moves the running ones.
func batchNorm(p *Params, name string, x *Node) *Node {
	given := x.Shape().Dimensions
	channels := given[len(given)-1]
	mean, variance := p.At(name+".running_mean"), p.At(name+".running_var") // [C]
	if p.Training {
		axes, ranks := []int{0, 1, 2}, max(1, p.Ranks)
		if ranks > 1 {
			x = Reshape(x, ranks, given[0]/ranks, given[1], given[2], channels)
			axes = []int{1, 2, 3}
		}
		n := x.Shape().Size() / channels / ranks
		batchMean := ReduceAndKeep(x, ReduceMean, axes...) // [1,1,1,C], or [ranks,1,1,1,C]
		batchVar := ReduceAndKeep(Square(Sub(x, batchMean)), ReduceMean, axes...)
		move := func(running, batch *Node) *Node {
			if ranks > 1 {
				batch = Slice(batch, AxisElem(0))
			}
			return Add(MulScalar(running, 1-BatchNormMomentum), MulScalar(StopGradient(Reshape(batch, channels)), BatchNormMomentum))
		}
		p.Put(name+".running_mean", move(mean, batchMean))
		p.Put(name+".running_var", move(variance, MulScalar(batchVar, float64(n)/float64(max(n-1, 1))))) // PyTorch keeps the unbiased one
		seen := p.At(name + ".num_batches_tracked")
		p.Put(name+".num_batches_tracked", Add(seen, ScalarOne(x.Graph(), dtypes.Int64)))
		mean, variance = batchMean, batchVar
	}
	rank := x.Rank()
	scale := Mul(ExpandLeftToRank(p.At(name+".weight"), rank), Inverse(Sqrt(AddScalar(ExpandLeftToRank(variance, rank), visionEpsilon))))
	y := Add(Mul(Sub(x, ExpandLeftToRank(mean, rank)), scale), ExpandLeftToRank(p.At(name+".bias"), rank))
	return Reshape(y, given...)
}

// attentionPool: the mean of the cells asks, the mean and the cells answer. x [B,G,G,C] → [B,D].
func attentionPool(p *Params, x *Node) *Node {
	const name = "visual.attnpool."
	batch, channels := x.Shape().Dim(0), x.Shape().Dim(3)
	x = Reshape(x, batch, -1, channels)
	x = Concatenate([]*Node{ReduceAndKeep(x, ReduceMean, 1), x}, 1) // [B,1+G²,C]
	x = Add(x, ExpandLeftToRank(p.At(name+"positional_embedding"), 3))
	query := Slice(x, AxisRange(), AxisRange(0, 1), AxisRange())
	y := p.attention(p.linear(name+"q_proj", query), p.linear(name+"k_proj", x), p.linear(name+"v_proj", x), nil, p.Config.VisionHeads(), 0)
	return p.linear(name+"c_proj", Reshape(y, batch, channels))
}
