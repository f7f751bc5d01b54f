package ort

import (
	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

// rewrite makes a model one that providers take whole.
//
// compute-onnx writes a product of two [B,M,K] and [B,K,N] as an Einsum, which CANN does not take; ONNX's MatMul is the same thing.
// The opset is lowered to the given one (0 = left as it is): what is written means the same in every version from 18 on, where the axes of
// reductions became inputs.
func rewrite(m *onnxpb.ModelProto, opset int) {
	for _, n := range m.Graph.Node {
		if n.OpType == "Einsum" && len(n.Input) == 2 && batchedProduct(equation(n)) {
			n.OpType, n.Attribute = "MatMul", nil
		}
	}
	if opset == 0 {
		return
	}
	for _, o := range m.OpsetImport {
		if o.Domain == "" {
			o.Version = int64(opset)
		}
	}
	if opset < 21 {
		m.IrVersion = 8 // the one of opset 18
	}
}

func equation(n *onnxpb.NodeProto) string {
	for _, a := range n.Attribute {
		if a.Name == "equation" {
			return string(a.S)
		}
	}
	return ""
}

// batchedProduct tells whether an equation is "abc,acd->abd", in whatever letters.
func batchedProduct(eq string) bool {
	if len(eq) != len("abc,acd->abd") || eq[3] != ',' || eq[7:9] != "->" {
		return false
	}
	x, y, z := eq[:3], eq[4:7], eq[9:]
	b, m, k, n := x[0], x[1], x[2], y[2]
	different := b != m && b != k && b != n && m != k && m != n && k != n
	return different && y[0] == b && y[1] == k && z == string([]byte{b, m, n})
}

// smallModel is one product, [2,2]×[2,2].
func smallModel(opset int) []byte {
	if opset == 0 {
		opset = 21
	}
	square := func(name string) *onnxpb.ValueInfoProto {
		two := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: int32(onnxpb.TensorProto_FLOAT),
			Shape:    &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{two, two}},
		}}}}
	}
	data, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: int64(min(opset, 18))}},
		Graph: &onnxpb.GraphProto{
			Name:   "probe",
			Input:  []*onnxpb.ValueInfoProto{square("a"), square("b")},
			Output: []*onnxpb.ValueInfoProto{square("y")},
			Node:   []*onnxpb.NodeProto{{OpType: "MatMul", Input: []string{"a", "b"}, Output: []string{"y"}}},
		},
	})
	if err != nil {
		panic(err) // a constant
	}
	return data
}
