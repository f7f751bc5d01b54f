package model

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Taps give the weight gradients of bf16 training their fast form. Differentiating a product y = x·wᵀ leaves dw = dyᵀ·x, a product over the
// first axes of both sides, which XLA:CPU computes at about half the rate of a plain one. So a product that is tapped adds zeros, the tap, and
// does not let the gradient into w; what the loss says of the tap is dy, and dw is then computed here, from dy turned in blocks.
// On a CPU with bf16 instructions a whole step gained a quarter.
type Taps struct{ list []tapped }

type tapped struct {
	x, w, tap *Node
	axis      int // of w, as in Params.dot
}

// product is dot(x, w), with bf16 operands and w's gradient left to Gradient.
func (t *Taps) product(x, w *Node, axis int) *Node {
	y := rounded(x, StopGradient(w), axis, dtypes.BFloat16)
	tap := ZerosLike(y)
	t.list = append(t.list, tapped{x: x, w: w, tap: tap, axis: axis})
	return Add(y, tap)
}

// rounded is the product in a half precision, gradients included, as autocast makes it: its value is rounded, too.
func rounded(x, w *Node, axis int, half dtypes.DType) *Node {
	return ConvertDType(halfDot(x, w, half).General([]int{1}, nil, []int{axis}, nil), dtypes.Float32)
}

// halfDot is a product of operands in a half precision whose gradients are such products as well. GoMLX takes the type of a derivative from that of
// the sums, which it sets to float32; every engine here sums in float32 in any case.
func halfDot(a, b *Node, half dtypes.DType) *DotBuilder {
	return Dot(ConvertDType(a, half), ConvertDType(b, half)).WithAccumulatorDType(half)
}

// Gradient is that of loss, which was computed with these taps, with respect to each of wrt.
func (t *Taps) Gradient(loss *Node, wrt ...*Node) []*Node {
	all := append([]*Node{}, wrt...)
	for _, p := range t.list {
		all = append(all, p.tap)
	}
	grads := Gradient(loss, all...)
	if len(t.list) == 0 {
		return grads
	}
	// What the weights are made of (a slice, a reshape) is left to Gradient as well: the gradient of the sum of dw·w with dw held still.
	sum := ScalarZero(loss.Graph(), dtypes.Float32)
	for i, p := range t.list {
		dy := grads[len(wrt)+i]
		var dw *Node
		if p.axis == 1 {
			dw = plain(dy, p.x)
		} else {
			dw = plain(p.x, dy)
		}
		sum = Add(sum, ReduceAllSum(Mul(StopGradient(dw), p.w)))
	}
	grads = grads[:len(wrt)]
	for i, more := range Gradient(sum, wrt...) {
		grads[i] = Add(grads[i], more)
	}
	return grads
}

// plain is aᵀ·b of a [M,A] and b [M,B] in bf16, by a transposition that the compiler cannot fold into the product.
func plain(a, b *Node) *Node {
	rows, columns := a.Shape().Dim(0), a.Shape().Dim(1)
	halves := 2
	if columns%2 != 0 {
		halves = 1
	}
	a, b = ConvertDType(a, dtypes.BFloat16), ConvertDType(b, dtypes.BFloat16)
	a = TransposeAllAxes(Reshape(a, 1, rows, halves, columns/halves), 2, 3, 0, 1)
	return ConvertDType(Dot(Reshape(a, columns, rows), b).Product(), dtypes.Float32)
}
