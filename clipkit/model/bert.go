package model

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// bertEpsilon is fixed in the reference's code, not in its configuration files.
const bertEpsilon = 1e-12

// TextFeatures is the text tower: ids [B,T] int32 → [B,D], not normalised (cn_clip/clip/model.py:396, modeling_bert.py).
func TextFeatures(p *Params, ids *Node) *Node {
	ids.AssertDims(-1, -1)
	batch, tokens, width := ids.Shape().Dim(0), ids.Shape().Dim(1), p.Config.TextWidth
	real := NotEqual(ids, ZerosLike(ids)) // [PAD] is 0
	x := p.bertEmbeddings(ids, real)
	mask := MulScalar(OneMinus(ConvertDType(real, dtypes.Float32)), -10000)
	mask = Reshape(mask, batch, 1, 1, tokens)
	for i := range p.Config.TextLayers {
		wanted := tokens
		if i == p.Config.TextLayers-1 {
			wanted = 1 // the feature is read from [CLS]
		}
		x = bertLayer(p, fmt.Sprintf("bert.encoder.layer.%d.", i), p.block(x), mask, wanted)
	}
	x = p.lastBlock(x)
	features, _ := p.dot(Reshape(x, batch, width), p.raw("text_projection"), 0, nil)
	return features
}

// bertEmbeddings: word + position + type 0, normalised. [B,T] → [B,T,width].
func (p *Params) bertEmbeddings(ids, real *Node) *Node {
	const name = "bert.embeddings."
	batch, tokens, width := ids.Shape().Dim(0), ids.Shape().Dim(1), p.Config.TextWidth
	x := ConvertDType(Gather(p.raw(name+"word_embeddings.weight"), InsertAxes(ids, -1)), dtypes.Float32)
	if p.Training { // the padding row gets no gradient (PyTorch's padding_idx)
		x = Where(BroadcastToDims(InsertAxes(real, -1), batch, tokens, width), x, StopGradient(x))
	}
	positions := Slice(p.At(name+"position_embeddings.weight"), AxisRange(0, tokens))
	types := Slice(p.At(name+"token_type_embeddings.weight"), AxisRange(0, 1))
	x = Add(x, ExpandLeftToRank(Add(positions, types), 3))
	return p.dropout(p.layerNorm(name+"LayerNorm", x, bertEpsilon), p.Config.TextDropout)
}

// bertLayer is post-LN: norm(x + attention(x)), then norm(x + MLP(x)) with the exact erf GELU. Every token of x [B,T,W] answers, the first
// wanted ones ask and come out: [B,wanted,W].
func bertLayer(p *Params, name string, x, mask *Node, wanted int) *Node {
	self := func(n string, x *Node) *Node { return p.linear(name+"attention.self."+n, x) }
	rest := firstTokens(x, wanted)
	a := p.attention(self("query", rest), self("key", x), self("value", x), mask, p.Config.TextHeads, p.Config.TextAttnDropout)
	a = p.dropout(p.linear(name+"attention.output.dense", a), p.Config.TextDropout)
	x = p.layerNorm(name+"attention.output.LayerNorm", Add(a, rest), bertEpsilon)
	h := p.activated(name+"intermediate.dense", x, gelu)
	h = p.dropout(p.linear(name+"output.dense", h), p.Config.TextDropout)
	return p.layerNorm(name+"output.LayerNorm", Add(h, x), bertEpsilon)
}
