package model

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Products of half precision in training. GoMLX's derivative of one computes in float32, or with a copy of an operand before it, and XLA:CPU is
// slow in the weight's, dw = dyᵀ·x, a product over the first axes of both sides. So both derivatives are written out here. A step of ViT-B-16 on
// a CPU with bf16 instructions gained a quarter with weights' gradients that are turned first, a fifth with half input gradients, a twentieth
// without the copies.

// halfProduct is dot as autocast makes it: the operands and the value are rounded, and so are those of its derivatives, but for the weight's,
// which is float32.
func (p *Params) halfProduct(x, w *Node, axis int, bias *Node) (value *Node, of summands) {
	y := halfDot(StopGradient(x), StopGradient(w), p.Compute).General([]int{1}, nil, []int{axis}, nil)
	dx := func(dy *Node) *Node {
		return float32Of(halfDot(dy, w, p.Compute).General([]int{1}, nil, []int{1 - axis}, nil))
	}
	dw := func(dy *Node) *Node {
		if axis == 1 {
			return p.weightGradient(dy, x)
		}
		return p.weightGradient(x, dy)
	}
	d := &derivatives{}
	of = summands{y, Add(d.of(x, p.Compute, dx), d.of(w, p.Compute, dw))}
	if bias != nil {
		of.shift = Add(bias, of.shift)
	}
	return d.begin(of.sum(), p.Compute), of
}

// halfDot is a product of operands in a half precision. Its sums are asked for in that, too, for GoMLX takes the type of a derivative from them;
// the engines sum in float32 all the same.
func halfDot(a, b *Node, half dtypes.DType) *DotBuilder {
	return Dot(ConvertDType(a, half), ConvertDType(b, half)).WithAccumulatorDType(half)
}

// weightGradient is aᵀ·b of a [M,A] and b [M,B]. On a processor a is turned first, in a way that the compiler cannot fold into the product.
func (p *Params) weightGradient(a, b *Node) *Node {
	if !p.cpu {
		return halfDot(a, b, p.Compute).WithOutputDType(dtypes.Float32).General([]int{0}, nil, []int{0}, nil)
	}
	rows, columns := a.Shape().Dim(0), a.Shape().Dim(1)
	halves := 2
	if columns%2 != 0 {
		halves = 1
	}
	a = ConvertDType(a, p.Compute)
	a = TransposeAllAxes(Reshape(a, 1, rows, halves, columns/halves), 2, 3, 0, 1)
	return halfDot(Reshape(a, columns, rows), b, p.Compute).WithOutputDType(dtypes.Float32).Product()
}
