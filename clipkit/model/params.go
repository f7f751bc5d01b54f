package model

import (
	"slices"

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
	Config         arch.Config
	Training       bool  // BatchNorm uses the batch's statistics and updates the running ones; dropout is live when Random is set
	Random         *Node // generator state of dropout, [3] uint64; nil = no dropout
	Ranks          int   // in training: so many equal parts of the batch have BatchNorm statistics of their own, and the first moves the running ones; 0 and 1 = all are one
	VisiblePatches *Node // the patches of each picture that a ViT looks at, [B,k] int32 as ChoosePatches makes them; nil = all (a ResNet: always)

	// Compute is the type of a product's operands: Float32, or BFloat16 or Float16 for speed. Sums, norms, softmax and activations are float32 always.
	Compute dtypes.DType

	// Recompute keeps of each transformer block only its input until its gradients are due, and computes the block again for them: less memory
	// for a third more work. A ResNet has no such blocks.
	Recompute bool

	attends dtypes.DType // Compute for attention's products
	forms   Forms
	cpu     bool // the device is a processor, where XLA is slow at products that sum over the rows of both operands: gradients avoid them

	store *gomodel.Store
	graph *Graph
}

// NewParams reads from store inside g, in evaluation mode.
func NewParams(cfg arch.Config, store *gomodel.Store, g *Graph) *Params {
	forms := Forms{Products: true, Norms: true, Activations: true}
	return &Params{Config: cfg, Compute: dtypes.Float32, attends: dtypes.Float32, forms: forms, store: store, graph: g}
}

// Multiply sets Compute for a device. On a processor bf16 is fast in large 2-D products only, so attention's products, a twentieth of the work, stay
// in float32.
func (p *Params) Multiply(compute dtypes.DType, dev *device.Device) {
	p.Compute, p.attends, p.cpu, p.forms = compute, compute, dev.IsCPU(), FormsOn(dev)
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

// affine flattens all axes but the last, so that every engine sees a 2-D product. bias may be nil.
func (p *Params) affine(x, weight, bias *Node) *Node {
	y, _ := p.dot(flattenRows(x), weight, 1, bias)
	return unflatten(y, x)
}

// flattenRows flattens x [..., N] to [M, N].
func flattenRows(x *Node) *Node { return Reshape(x, -1, x.Shape().Dim(-1)) }

// unflatten gives y [M, N] the axes of x before its last one.
func unflatten(y, x *Node) *Node {
	dims := slices.Clone(x.Shape().Dimensions)
	dims[len(dims)-1] = y.Shape().Dim(-1)
	return Reshape(y, dims...)
}

// summands are the two parts of a product with a bias: product [M,N], in the type that the engine gave it, and shift [1,N], or nil.
type summands struct{ product, shift *Node }

func (s summands) sum() *Node {
	if s.shift == nil {
		return float32Of(s.product)
	}
	return Add(float32Of(s.product), s.shift)
}

// dot is the 2-D product of x [M,K] with w [N,K] (axis 1) or [K,N] (axis 0), plus bias [N], or nil → [M,N], float32.
func (p *Params) dot(x, w *Node, axis int, bias *Node) (value *Node, of summands) {
	if bias != nil {
		bias = ExpandLeftToRank(bias, 2)
	}
	switch {
	case !p.Training || p.Compute == dtypes.Float32:
		of = summands{Dot(p.operand(x), p.operand(w)).WithOutputDType(dtypes.Float32).General([]int{1}, nil, []int{axis}, nil), bias}
	case p.Recompute || !p.forms.Products:
		of = summands{halfDot(x, w, p.Compute).General([]int{1}, nil, []int{axis}, nil), bias}
	default:
		return p.halfProduct(x, w, axis, bias)
	}
	return of.sum(), of
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
