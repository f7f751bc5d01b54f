package onnx

import (
	"fmt"
	"math"

	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

// matmul gives float32 of any operands.
func (g *graph) matmul(a, b string) string { return g.full(g.do("MatMul", g.short(a), g.short(b))) }

// linear: x [...,in] × weight [out,in]ᵀ + bias [out].
func (g *graph) linear(name, x string) string {
	return g.affine(x, g.weights[name+".weight"], g.weights[name+".bias"])
}

func (g *graph) affine(x string, weight, bias tensor.Tensor) string {
	return g.do("Add", g.times(x, weight), g.add(single(bias)))
}

// layerNorm over the last axis; before opset 17 it had no operator of its own.
func (g *graph) layerNorm(name, x string, epsilon float64) string {
	weight, bias := g.at(name+".weight"), g.at(name+".bias")
	if g.options.Opset >= 17 {
		return g.op("LayerNormalization", []string{x, weight, bias}, integer("axis", -1), float("epsilon", epsilon))
	}
	mean := func(x string) string { return g.op("ReduceMean", []string{x}, ints("axes", -1)) }
	centred := g.do("Sub", x, mean(x))
	variance := mean(g.do("Pow", centred, g.scalar(2)))
	normed := g.do("Div", centred, g.do("Sqrt", g.do("Add", variance, g.scalar(epsilon))))
	return g.do("Add", g.do("Mul", normed, weight), bias)
}

// attention is softmax(q·kᵀ/√d + mask)·v over heads of width d: q [B,Q,W], k and v [B,K,W] → [B,Q,W]; mask "" or [B,1,1,K].
func (g *graph) attention(q, k, v, mask string, heads, width int) string {
	d := width / heads
	split := func(x string, order ...int) string {
		return g.op("Transpose", []string{g.do("Reshape", x, g.shape(0, 0, heads, d))}, ints("perm", order...))
	}
	q = g.do("Mul", q, g.scalar(1/math.Sqrt(float64(d))))
	scores := g.matmul(split(q, 0, 2, 1, 3), split(k, 0, 2, 3, 1)) // [B,heads,Q,K]
	if mask != "" {
		scores = g.do("Add", scores, mask)
	}
	y := g.matmul(g.op("Softmax", []string{scores}, integer("axis", -1)), split(v, 0, 2, 1, 3))
	return g.do("Reshape", g.op("Transpose", []string{y}, ints("perm", 0, 2, 1, 3)), g.shape(0, 0, width))
}

// quickGELU is x·sigmoid(1.702x).
func (g *graph) quickGELU(x string) string {
	return g.do("Mul", x, g.do("Sigmoid", g.do("Mul", x, g.scalar(1.702))))
}

// gelu is the exact x·Φ(x), in the form that runtimes recognise.
func (g *graph) gelu(x string) string {
	erf := g.do("Erf", g.do("Div", x, g.scalar(math.Sqrt2)))
	return g.do("Mul", g.do("Mul", x, g.do("Add", erf, g.scalar(1))), g.scalar(0.5))
}

// rows are the tokens from..to of x [B,T,W].
func (g *graph) rows(x string, from, to int) string {
	return g.do("Slice", x, g.shape(from), g.shape(to), g.shape(1))
}

// features ends the graph with x [B,1,W] or [B,W] as the vectors of a tower.
func (g *graph) features(what, x string) {
	if g.options.Normalize {
		squares := g.op("ReduceSum", []string{g.do("Mul", x, x), g.shape(-1)}, integer("keepdims", 1))
		x = g.do("Div", x, g.do("Sqrt", squares))
	} else {
		what = "unnorm_" + what
	}
	g.op("Identity", []string{x})
	g.ends(what)
	g.proto.Output = []*onnxpb.ValueInfoProto{described(what, onnxpb.TensorProto_FLOAT, "batch", g.cfg.EmbedDim)}
}

// described is an input or output; an axis is a number, or a name where it may have any length.
func described(name string, kind onnxpb.TensorProto_DataType, axes ...any) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, a := range axes {
		d := &onnxpb.TensorShapeProto_Dimension{}
		switch a := a.(type) {
		case int:
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(a)}
		case string:
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: a}
		default:
			panic(fmt.Sprintf("axis %v of %s", a, name))
		}
		shape.Dim = append(shape.Dim, d)
	}
	tensorType := &onnxpb.TypeProto_Tensor{ElemType: int32(kind), Shape: shape}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: tensorType}}}
}
