package model

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// activation is a function of single values with its derivative.
type activation struct{ value, derivative func(x *Node) *Node }

// quickGELU is x·sigmoid(1.702x).
var quickGELU = activation{
	func(x *Node) *Node { return Mul(x, Sigmoid(MulScalar(x, 1.702))) },
	func(x *Node) *Node {
		s := Sigmoid(MulScalar(x, 1.702))
		return Mul(s, AddScalar(Mul(MulScalar(x, 1.702), OneMinus(s)), 1))
	},
}

// gelu is the exact x·Φ(x).
var gelu = activation{
	func(x *Node) *Node { return Mul(x, phi(x)) },
	func(x *Node) *Node {
		density := MulScalar(Exp(MulScalar(Square(x), -0.5)), 1/math.Sqrt(2*math.Pi))
		return Add(phi(x), Mul(x, density))
	},
}

func phi(x *Node) *Node { return MulScalar(AddScalar(Erf(MulScalar(x, 1/math.Sqrt2)), 1), 0.5) }

// activated is linear with an activation after it. In training the activation's gradient is written out, so that of the forward pass only the
// product stays in memory (as bf16, where it is computed in bf16) and not every intermediate of the formula: ViT-B-16 trains in a tenth less memory.
func (p *Params) activated(name string, x *Node, f activation) *Node {
	h, of := p.dot(flattenRows(x), p.raw(name+".weight"), 1, p.At(name+".bias"))
	if !p.Training || p.Recompute || !p.forms.Activations { // Recompute keeps no intermediates anyway
		return unflatten(f.value(h), x)
	}
	y := withGradient(h, f.value(StopGradient(h)), func(_, dy *Node) *Node {
		// Without a barrier the compiler would compute early and keep what needs no dy.
		late := OptimizationBarriers(of.product, ConvertDType(dy, of.product.DType()))
		return Mul(float32Of(late[1]), f.derivative(summands{late[0], of.shift}.sum()))
	})
	return unflatten(y, x)
}

// softmax over the last axis.
func (p *Params) softmax(x *Node) *Node {
	if !p.Training || p.Recompute || !p.forms.Activations {
		return Softmax(x, -1)
	}
	return withGradient(x, Softmax(StopGradient(x), -1), func(y, v *Node) *Node {
		return Mul(y, Sub(v, ReduceAndKeep(Mul(v, y), ReduceSum, -1)))
	})
}
