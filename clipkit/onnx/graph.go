package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

// graph is a tower in the making. Values are known by their names, as in the file.
type graph struct {
	cfg     arch.Config
	options Options
	side    Side
	weights map[string]tensor.Tensor

	scope    string // the part of the model that is being written: nodes are named after it
	proto    *onnxpb.GraphProto
	constant []tensor.Tensor   // the initializers, in the types of the file
	known    map[string]bool   // names of constant
	half     map[string]bool   // values in float16
	cast     map[string]string // what a value is in the other type

	activation map[string]activation // values in 8 bits
	matrices   []tensor.Tensor       // that int8 can hold in 8 bits
	alone      string                // the only one that is to be; "" = the rule decides
}

func newGraph(cfg arch.Config, o Options) *graph {
	return &graph{cfg: cfg, options: o, weights: map[string]tensor.Tensor{}, proto: &onnxpb.GraphProto{},
		known: map[string]bool{}, half: map[string]bool{}, cast: map[string]string{}, activation: map[string]activation{}}
}

// op adds a node with one output.
func (g *graph) op(kind string, inputs []string, attributes ...*onnxpb.AttributeProto) string {
	name := fmt.Sprintf("%s/%s_%d", g.scope, kind, len(g.proto.Node))
	g.proto.Node = append(g.proto.Node, &onnxpb.NodeProto{Name: name, OpType: kind, Input: inputs, Output: []string{name}, Attribute: attributes})
	if g.half[inputs[0]] {
		g.half[name] = true
	}
	return name
}

func (g *graph) do(kind string, inputs ...string) string { return g.op(kind, inputs) }

// ends names what came last as the output of the graph.
func (g *graph) ends(name string) {
	last := g.proto.Node[len(g.proto.Node)-1]
	last.Output[0] = name
}

func ints(name string, values ...int) *onnxpb.AttributeProto {
	a := &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS}
	for _, v := range values {
		a.Ints = append(a.Ints, int64(v))
	}
	return a
}

func integer(name string, value int) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: int64(value)}
}

func float(name string, value float64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: float32(value)}
}

// add makes a tensor one of the file's, once.
func (g *graph) add(t tensor.Tensor) string {
	if !g.known[t.Name] {
		g.known[t.Name] = true
		g.half[t.Name] = t.DType == "F16"
		g.constant = append(g.constant, t)
	}
	return t.Name
}

// shape is a list of integers, for operators that take axes and dimensions as inputs.
func (g *graph) shape(values ...int) string {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return g.add(tensor.Tensor{Name: fmt.Sprint("ints", values), DType: "I64", Shape: []int{len(values)}, Data: data})
}

func (g *graph) scalar(v float64) string {
	return g.add(tensor.F32(fmt.Sprint("value ", v), nil, []float32{float32(v)}))
}

// at is a weight of the model in float32.
func (g *graph) at(name string) string { return g.add(single(g.weights[name])) }

// matrix is a weight in the type in which products are computed.
func (g *graph) matrix(t tensor.Tensor) string {
	if g.options.Precision == F16 {
		return g.add(halved(t))
	}
	return g.add(single(t))
}

// transposed is a linear layer's [out,in] as [in,out], which MatMul takes.
func transposed(t tensor.Tensor) tensor.Tensor {
	t, err := tensor.Transpose(t.Name, t)
	if err != nil {
		panic(err) // take has looked at the shapes
	}
	return t
}

// single is t in float32.
func single(t tensor.Tensor) tensor.Tensor {
	if t.DType == "F32" {
		return t
	}
	return computed(t.Name, t.Shape, t.Float32)
}

// computed is a float32 tensor whose values are computed when it is written.
func computed(name string, shape []int, values func() ([]float32, error)) tensor.Tensor {
	return tensor.Lazy(name, "F32", shape, func() ([]byte, error) {
		v, err := values()
		if err != nil {
			return nil, err
		}
		return tensor.F32(name, shape, v).Data, nil
	})
}

// halved is t in float16. What does not fit is an error: it would be infinite.
func halved(t tensor.Tensor) tensor.Tensor {
	if t.DType == "F16" {
		return t
	}
	return tensor.Lazy(t.Name, "F16", t.Shape, func() ([]byte, error) {
		values, err := t.Float32()
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			if math.Abs(float64(v)) > maxHalf {
				return nil, fmt.Errorf("%s has a value of %g (number %d), and float16 ends at %d: write %s", t.Name, v, i, maxHalf, F32)
			}
		}
		return tensor.F16(t.Name, t.Shape, values).Data, nil
	})
}

const maxHalf = 65504

// full and short are a value in float32 and in the type of products.
func (g *graph) full(x string) string {
	if !g.half[x] {
		return x
	}
	return g.converted(x, onnxpb.TensorProto_FLOAT)
}

func (g *graph) short(x string) string {
	if g.half[x] || g.options.Precision != F16 {
		return x
	}
	return g.converted(x, onnxpb.TensorProto_FLOAT16)
}

func (g *graph) converted(x string, to onnxpb.TensorProto_DataType) string {
	if y, ok := g.cast[x]; ok {
		return y
	}
	y := g.op("Cast", []string{x}, integer("to", int(to)))
	g.half[y] = to == onnxpb.TensorProto_FLOAT16
	g.cast[x] = y
	return y
}
