package model

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// derivatives writes out the gradients of one value, where GoMLX's own are slow or keep too much in memory. The value is computed from StopGradient
// of its operands, so GoMLX finds no way back through it. Instead a zero that is made of each operand is added to the value, and the gradient that
// arrives at this zero is replaced by the one that is written here:
//
//	d := &derivatives{}
//	y := Add(f(StopGradient(a), StopGradient(b)), Add(d.operand(a, a.DType(), da), d.operand(b, b.DType(), db)))
//	return d.value(y, dtypes.Float32)
//
// Operands have to be finite: 0·∞ is no zero.
type derivatives struct {
	dy *Node // the gradient of the value; gradients are computed from the end, so it is known before those of the operands
}

// operand is the zero that stands for an operand x with the gradient dx(dy). It is made of x in the type in which the value reads it: so no copy of
// x in another type has to stay in memory.
func (d *derivatives) operand(x *Node, as dtypes.DType, dx func(dy *Node) *Node) *Node {
	x = IdentityWithCustomGradient(x, func(_, _ *Node) *Node { return dx(d.dy) })
	return MulScalar(float32Of(corner(ConvertDType(x, as))), 0)
}

// corner is the first value of x.
func corner(x *Node) *Node {
	first := make([]SliceAxisSpec, x.Rank())
	for i := range first {
		first[i] = AxisRange(0, 1)
	}
	return Reshape(Slice(x, first...))
}

// value is y as the value whose operands were given. Its gradient is rounded to a type before the operands' are computed from it.
func (d *derivatives) value(y *Node, round dtypes.DType) *Node {
	return IdentityWithCustomGradient(y, func(_, dy *Node) *Node {
		d.dy = ConvertDType(dy, round)
		return float32Of(d.dy)
	})
}

func float32Of(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }

// withGradient is y, where the gradient of x, finite and of y's shape, is backward(y, dy). It does what derivatives does for one operand; where it is
// used, derivatives makes XLA keep 160 MB more in a step of ViT-B-16 (bf16, batch 8).
func withGradient(x, y *Node, backward func(y, dy *Node) *Node) (out *Node) {
	x = IdentityWithCustomGradient(x, func(_, dy *Node) *Node { return backward(out, dy) })
	out = Add(y, Sub(x, StopGradient(x)))
	return out
}
