package model

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// layerNorm over the last axis. In training its gradient is written out, so that of the forward pass only x [..., W], the normed values and two
// numbers a row stay in memory.
func (p *Params) layerNorm(name string, x *Node, epsilon float64) *Node {
	weight, bias := ExpandLeftToRank(p.At(name+".weight"), x.Rank()), ExpandLeftToRank(p.At(name+".bias"), x.Rank())
	if !p.Training || p.Recompute || !p.forms.Norms {
		mean, inverse := moments(x, epsilon)
		return Add(Mul(Mul(Sub(x, mean), inverse), weight), bias)
	}
	fixed := StopGradient(x)
	mean, inverse := moments(fixed, epsilon)
	normed := func() *Node { // behind a barrier, or x - mean would be written to memory for its other use, in the variance
		apart := OptimizationBarriers(fixed, mean, inverse)
		return Mul(Sub(apart[0], apart[1]), apart[2])
	}
	dx := func(dy *Node) *Node {
		g := Mul(dy, weight)
		along := Mul(normed(), ReduceAndKeep(Mul(g, normed()), ReduceMean, -1))
		return Mul(inverse, Sub(Sub(g, ReduceAndKeep(g, ReduceMean, -1)), along))
	}
	dweight := func(dy *Node) *Node {
		return Reshape(ReduceSum(flattenRows(Mul(dy, normed())), 0), weight.Shape().Dimensions...)
	}
	d := &derivatives{}
	y := Add(Mul(normed(), StopGradient(weight)), bias)
	y = Add(y, Add(d.operand(x, dtypes.Float32, dx), d.operand(weight, dtypes.Float32, dweight)))
	return d.value(y, dtypes.Float32)
}

// moments are the mean of the last axis and the inverse of its standard deviation: x [..., W] → [..., 1] twice.
func moments(x *Node, epsilon float64) (mean, inverse *Node) {
	mean = ReduceAndKeep(x, ReduceMean, -1)
	variance := ReduceAndKeep(Square(Sub(x, mean)), ReduceMean, -1)
	return mean, Inverse(Sqrt(AddScalar(variance, epsilon)))
}
