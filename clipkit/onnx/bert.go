package onnx

import (
	"fmt"

	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

// bertEpsilon is fixed in the reference's code, not in its configuration files.
const bertEpsilon = 1e-12

// texts is the text tower (cn_clip/clip/modeling_bert.py).
func (g *graph) texts() {
	const text = "text"
	var context any = g.options.Context
	if context == 0 {
		context = "context"
	}
	g.proto.Name = g.cfg.Name + " texts"
	g.proto.Input = []*onnxpb.ValueInfoProto{described(text, onnxpb.TensorProto_INT64, "batch", context)}
	x := g.bertEmbeddings(text)
	g.scope = "mask" // [PAD] is 0
	padding := g.op("Cast", []string{g.do("Equal", text, g.shape(0))}, integer("to", int(onnxpb.TensorProto_FLOAT)))
	mask := g.do("Unsqueeze", g.do("Mul", padding, g.scalar(-10000)), g.shape(1, 2)) // [B,1,1,T]
	for i := range g.cfg.TextLayers {
		g.scope = fmt.Sprintf("bert.encoder.layer.%d", i)
		x = g.bertLayer(g.scope+".", x, mask, i == g.cfg.TextLayers-1)
	}
	g.scope = "text_projection"
	x = g.times(g.do("Squeeze", x, g.shape(1)), transposed(g.weights["text_projection"]))
	g.features("text_features", x)
}

// bertEmbeddings: word + position + type 0, normalised. [B,T] → [B,T,width].
func (g *graph) bertEmbeddings(text string) string {
	const name = "bert.embeddings."
	g.scope = "bert.embeddings"
	x := g.lookup(g.weights[name+"word_embeddings.weight"], text)
	positions := g.add(g.typedPositions())
	if g.options.Context == 0 {
		length := g.do("Slice", g.do("Shape", text), g.shape(1), g.shape(2))
		positions = g.do("Slice", positions, g.shape(0), length, g.shape(0))
	}
	return g.layerNorm(name+"LayerNorm", g.do("Add", x, positions), bertEpsilon)
}

// typedPositions are the positions that texts may have, each with token type 0 added.
func (g *graph) typedPositions() tensor.Tensor {
	positions, types := g.weights["bert.embeddings.position_embeddings.weight"], g.weights["bert.embeddings.token_type_embeddings.weight"]
	rows, width := positions.Shape[0], positions.Shape[1]
	if g.options.Context > 0 {
		rows = g.options.Context
	}
	return computed(positions.Name, []int{rows, width}, func() ([]float32, error) {
		added, err := types.Float32()
		if err != nil {
			return nil, err
		}
		values, err := positions.Float32()
		if err != nil {
			return nil, err
		}
		values = values[:rows*width]
		for i := range values {
			values[i] += added[i%width]
		}
		return values, nil
	})
}

// bertLayer is post-LN: norm(x + attention(x)), then norm(x + MLP(x)) with the exact GELU. In the last layer only [CLS] asks and comes out.
func (g *graph) bertLayer(name, x, mask string, last bool) string {
	asking := x
	if last {
		asking = g.rows(x, 0, 1)
	}
	self := func(part, x string) string { return g.linear(name+"attention.self."+part, x) }
	y := g.attention(self("query", asking), self("key", x), self("value", x), mask, g.cfg.TextHeads, g.cfg.TextWidth)
	x = g.layerNorm(name+"attention.output.LayerNorm", g.do("Add", g.linear(name+"attention.output.dense", y), asking), bertEpsilon)
	y = g.linear(name+"output.dense", g.gelu(g.linear(name+"intermediate.dense", x)))
	return g.layerNorm(name+"output.LayerNorm", g.do("Add", y, x), bertEpsilon)
}
