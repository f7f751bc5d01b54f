package model

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// attention is softmax(q·kᵀ/√d + mask)·v over heads of width d.
// q [B,Q,W], k and v [B,K,W] → [B,Q,W]; mask nil or [B,1,1,K], added to the scores; rate drops probabilities in training.
func (p *Params) attention(q, k, v, mask *Node, heads int, rate float64) *Node {
	if mixed, ok := p.wholeAttention(q, k, v, mask, heads, rate); ok {
		return mixed
	}
	scores := p.scores(MulScalar(q, 1/sqrt(q.Shape().Dim(-1)/heads)), k, heads)
	if mask != nil {
		scores = Add(scores, mask)
	}
	return p.mixed(p.dropout(p.softmax(scores), rate), v)
}

// scores is q·kᵀ of every head: [B,Q,W] × [B,K,W] → [B,heads,Q,K].
func (p *Params) scores(q, k *Node, heads int) *Node {
	value := func(q, k *Node) *Node {
		return Reshape(p.matmul(split(q, heads), split(k, heads), 2), q.Shape().Dim(0), heads, q.Shape().Dim(1), k.Shape().Dim(1))
	}
	if !p.writesAttention() {
		return value(q, k)
	}
	d := &derivatives{}
	dq := func(dy *Node) *Node { return join(p.matmul(eachHead(dy), split(k, heads), 1), heads) }
	dk := func(dy *Node) *Node { return joinTurned(p.matmul(turned(q, heads), eachHead(dy), 1), heads) }
	y := value(StopGradient(q), StopGradient(k))
	return d.value(Add(y, Add(d.operand(q, dtypes.Float32, dq), d.operand(k, dtypes.Float32, dk))), dtypes.Float32)
}

// mixed is weights·v of every head: [B,heads,Q,K] × [B,K,W] → [B,Q,W].
func (p *Params) mixed(weights, v *Node) *Node {
	heads := weights.Shape().Dim(1)
	value := func(weights, v *Node) *Node { return join(p.matmul(eachHead(weights), split(v, heads), 1), heads) }
	if !p.writesAttention() {
		return value(weights, v)
	}
	d := &derivatives{}
	dw := func(dy *Node) *Node {
		return Reshape(p.matmul(split(dy, heads), split(v, heads), 2), weights.Shape().Dimensions...)
	}
	dv := func(dy *Node) *Node { return joinTurned(p.matmul(turned(dy, heads), eachHead(weights), 1), heads) }
	y := value(StopGradient(weights), StopGradient(v))
	return d.value(Add(y, Add(d.operand(weights, dtypes.Float32, dw), d.operand(v, dtypes.Float32, dv))), dtypes.Float32)
}

// writesAttention tells whether the gradients of attention's products are written out. GoMLX's gradient of the second operand sums over the rows of
// both sides, and XLA on a processor takes four times as long for that as for other products. Here one side is transposed while it is split into
// heads, which copies it anyway.
func (p *Params) writesAttention() bool { return p.Training && !p.Recompute && p.forms.Attention }

// split gives each head its part of x: [B,T,W] → [B·heads,T,d].
func split(x *Node, heads int) *Node { return eachHead(perHead(x, heads, 0, 2, 1, 3)) }

// turned is split with the tokens last: [B,T,W] → [B·heads,d,T].
func turned(x *Node, heads int) *Node { return eachHead(perHead(x, heads, 0, 2, 3, 1)) }

func perHead(x *Node, heads int, order ...int) *Node {
	batch, tokens, width := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2)
	return TransposeAllAxes(Reshape(x, batch, tokens, heads, width/heads), order...)
}

// eachHead flattens the first two axes: [B,heads,M,N] → [B·heads,M,N].
func eachHead(x *Node) *Node { return Reshape(x, -1, x.Shape().Dim(2), x.Shape().Dim(3)) }

// join undoes split.
func join(x *Node, heads int) *Node { return joinHeads(x, heads, 0, 2, 1, 3) }

// joinTurned undoes turned.
func joinTurned(x *Node, heads int) *Node { return joinHeads(x, heads, 0, 3, 1, 2) }

func joinHeads(x *Node, heads int, order ...int) *Node {
	x = TransposeAllAxes(Reshape(x, -1, heads, x.Shape().Dim(1), x.Shape().Dim(2)), order...)
	return Reshape(x, x.Shape().Dim(0), x.Shape().Dim(1), -1)
}

// matmul is [N,M,K] × [N,K,L] (axis 1) or [N,L,K] (axis 2) → [N,M,L]. On XLA the scores are faster with axis 2, without turning the keys first.
func (p *Params) matmul(a, b *Node, axis int) *Node {
	product := Dot(a, b)
	if p.attends != dtypes.Float32 {
		product = halfDot(a, b, p.attends)
	}
	return float32Of(product.General([]int{2}, []int{0}, []int{axis}, []int{0}))
}
