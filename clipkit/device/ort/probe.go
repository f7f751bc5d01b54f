package ort

import (
	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

// smallModel is one product, [2,2]×[2,2].
func smallModel() []byte {
	square := func(name string) *onnxpb.ValueInfoProto {
		two := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: int32(onnxpb.TensorProto_FLOAT),
			Shape:    &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{two, two}},
		}}}}
	}
	data, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
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
