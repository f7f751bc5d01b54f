package model

import (
	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	gomodel "github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Params gives graph functions the model's tensors inside one graph, and says whether the graph trains.
type Params struct {
	Config   arch.Config
	Training bool  // BatchNorm uses the batch's statistics and updates the running ones; dropout is live when Random is set
	Random   *Node // generator state of dropout, [3] uint64; nil = no dropout
	Keep     *Node // the patches of each picture that a ViT looks at, [B,k] int32 as ChoosePatches makes them; nil = all (a ResNet: always)

	// Compute is the type of a product's operands: Float32, or BFloat16 or Float16 for speed. Sums, norms, softmax and activations are float32 always.
	Compute dtypes.DType

	// Recompute keeps of each transformer block only its input until its gradients are due, and computes the block again for them: less memory
	// for a third more work. A ResNet has no such blocks.
	Recompute bool

	attends dtypes.DType // Compute, of attention's products
	turned  bool         // how weights' gradients in half precision are fast

	store *gomodel.Store
	graph *Graph
}

// NewParams reads from store inside g, in evaluation mode.
func NewParams(cfg arch.Config, store *gomodel.Store, g *Graph) *Params {
	return &Params{Config: cfg, Compute: dtypes.Float32, attends: dtypes.Float32, store: store, graph: g}
}

// Multiply sets Compute for a device. On a processor attention's products, a twentieth of the work, stay float32 beside bf16, which is fast there
// in large 2-D products only.
func (p *Params) Multiply(compute dtypes.DType, dev *device.Device) {
	p.Compute, p.attends, p.turned = compute, compute, dev.IsCPU()
	if compute == dtypes.BFloat16 && dev.IsCPU() {
		p.attends = dtypes.Float32
	}
}

// block marks x as the input of a transformer block.
func (p *Params) block(x *Node) *Node {
	if p.Recompute {
		return x.Checkpoint()
	}
	return x
}

// lastBlock marks x as the output of the last one.
func (p *Params) lastBlock(x *Node) *Node {
	if p.Recompute {
		return x.StopCheckpoint()
	}
	return x
}

func (p *Params) variable(name string) *gomodel.Variable {
	v := p.store.GetVariable("/" + name)
	if v == nil {
		Panicf("model %q has no tensor %q", p.Config.Name, name)
	}
	return v
}

// At is the tensor's value in the graph, as float32 (an integer buffer: int64).
func (p *Params) At(name string) *Node {
	v := p.raw(name)
	if v.DType().IsFloat() {
		return ConvertDType(v, dtypes.Float32)
	}
	return v
}

// raw is the value in the type in which it is stored.
func (p *Params) raw(name string) *Node { return p.variable(name).NodeValue(p.graph) }

// Put makes value what the tensor holds after the graph has run.
func (p *Params) Put(name string, value *Node) { p.variable(name).SetNodeValue(value) }

// linear: x [...,in] × weight [out,in]ᵀ + bias [out].
func (p *Params) linear(name string, x *Node) *Node {
	return p.affine(x, p.raw(name+".weight"), p.At(name+".bias"))
}

// operand converts one side of a product to the type that products compute in.
func (p *Params) operand(x *Node) *Node { return ConvertDType(x, p.Compute) }

// affine flattens all axes but the last, so that every engine sees a 2-D product.
func (p *Params) affine(x, weight, bias *Node) *Node {
	dims := append([]int{}, x.Shape().Dimensions...)
	in, out := dims[len(dims)-1], weight.Shape().Dim(0)
	y := p.dot(Reshape(x, -1, in), weight, 1)
	if bias != nil {
		y = Add(y, ExpandLeftToRank(bias, 2))
	}
	dims[len(dims)-1] = out
	return Reshape(y, dims...)
}

// dot is the 2-D product of x [M,K] with w [N,K] (axis 1) or [K,N] (axis 0) → [M,N], float32.
func (p *Params) dot(x, w *Node, axis int) *Node {
	switch {
	case p.Training && p.Compute != dtypes.Float32 && p.Recompute:
		return rounded(x, w, axis, p.Compute)
	case p.Training && p.Compute != dtypes.Float32:
		return p.product(x, w, axis)
	}
	return Dot(p.operand(x), p.operand(w)).WithOutputDType(dtypes.Float32).General([]int{1}, nil, []int{axis}, nil)
}

// layerNorm over the last axis.
func (p *Params) layerNorm(name string, x *Node, epsilon float64) *Node {
	centred := Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	variance := ReduceAndKeep(Square(centred), ReduceMean, -1)
	y := Mul(centred, Inverse(Sqrt(AddScalar(variance, epsilon))))
	return Add(Mul(y, ExpandLeftToRank(p.At(name+".weight"), x.Rank())), ExpandLeftToRank(p.At(name+".bias"), x.Rank()))
}

// dropout zeroes values with probability rate and scales the others up, in training only.
func (p *Params) dropout(x *Node, rate float64) *Node {
	if !p.Training || p.Random == nil || rate == 0 {
		return x
	}
	var u *Node
	p.Random, u = RandomUniform(p.Random, shapes.Make(dtypes.Float32, x.Shape().Dimensions...))
	keep := GreaterOrEqual(u, Scalar(x.Graph(), dtypes.Float32, rate))
	return Where(keep, MulScalar(x, 1/(1-rate)), ZerosLike(x))
}

// attention is softmax(q·kᵀ/√d + mask)·v over heads of width d.
// q [B,Q,W], k and v [B,K,W] → [B,Q,W]; mask nil or [B,1,1,K], added to the scores; rate drops probabilities in training.
func (p *Params) attention(q, k, v, mask *Node, heads int, rate float64) *Node {
	batch, queries, width := q.Shape().Dim(0), q.Shape().Dim(1), q.Shape().Dim(2)
	keys, d := k.Shape().Dim(1), width/heads
	split := func(x *Node, tokens int, order ...int) *Node {
		return TransposeAllAxes(Reshape(x, batch, tokens, heads, d), order...)
	}
	q = Reshape(split(MulScalar(q, 1/sqrt(d)), queries, 0, 2, 1, 3), batch*heads, queries, d)
	k = Reshape(split(k, keys, 0, 2, 1, 3), batch*heads, keys, d)
	v = Reshape(split(v, keys, 0, 2, 1, 3), batch*heads, keys, d)
	scores := Reshape(p.matmul(q, k, 2), batch, heads, queries, keys)
	if mask != nil {
		scores = Add(scores, mask)
	}
	weights := p.dropout(p.softmax(scores), rate)
	out := p.matmul(Reshape(weights, batch*heads, queries, keys), v, 1) // [B·heads, Q, d]
	return Reshape(TransposeAllAxes(Reshape(out, batch, heads, queries, d), 0, 2, 1, 3), batch, queries, width)
}

// matmul is [N,M,K] × [N,K,L] (axis 1) or [N,L,K] (axis 2) → [N,M,L]. On XLA the scores are faster with axis 2, without turning the keys first.
func (p *Params) matmul(a, b *Node, axis int) *Node {
	product := Dot(a, b)
	if p.attends != dtypes.Float32 {
		product = halfDot(a, b, p.attends)
	}
	return ConvertDType(product.General([]int{2}, []int{0}, []int{axis}, []int{0}), dtypes.Float32)
}
