package onnx

import (
	"fmt"
	"io"
	"strconv"

	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	extraSuffix = ".extra_file" // the reference's
	smallest    = 1024          // bytes of a tensor that lies beside; smaller ones are inside always, as the reference has it
	alignment   = 4096          // of tensors beside, so that runtimes can map them
	largest     = 1<<31 - 1<<20 // bytes of weights that are inside: a protobuf message ends at 2 GiB
)

var elementTypes = map[string]onnxpb.TensorProto_DataType{
	"F32": onnxpb.TensorProto_FLOAT, "F16": onnxpb.TensorProto_FLOAT16, "I8": onnxpb.TensorProto_INT8, "I64": onnxpb.TensorProto_INT64,
}

// initializer is a tensor of the file: its message, in which only the data is missing, and where the data comes from.
type initializer struct {
	message *onnxpb.TensorProto
	tensor  tensor.Tensor
	beside  bool
	offset  int // in the file beside
}

// layout says where each tensor lies, and how long the file beside is.
func (g *graph) layout(extra string) (list []initializer, besides int) {
	all := 0
	for _, t := range g.constant {
		all += t.NumBytes()
	}
	apart := g.options.Beside || all > largest
	for _, t := range g.constant {
		m := &onnxpb.TensorProto{Name: t.Name, DataType: int32(elementTypes[t.DType])}
		for _, d := range t.Shape {
			m.Dims = append(m.Dims, int64(d))
		}
		i := initializer{message: m, tensor: t, beside: apart && t.NumBytes() >= smallest}
		if i.beside {
			i.offset = (besides + alignment - 1) / alignment * alignment
			besides = i.offset + t.NumBytes()
			m.DataLocation = onnxpb.TensorProto_EXTERNAL
			for _, e := range [][2]string{{"location", extra}, {"offset", strconv.Itoa(i.offset)}, {"length", strconv.Itoa(t.NumBytes())}} {
				m.ExternalData = append(m.ExternalData, &onnxpb.StringStringEntryProto{Key: e[0], Value: e[1]})
			}
		}
		list = append(list, i)
	}
	return list, besides
}

func writeBeside(w io.Writer, list []initializer) error {
	at := 0
	for _, i := range list {
		if !i.beside {
			continue
		}
		if _, err := w.Write(make([]byte, i.offset-at)); err != nil {
			return err
		}
		if err := i.use(func(data []byte) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
		at = i.offset + i.tensor.NumBytes()
	}
	return nil
}

// use gives the data of a tensor, which has to be as long as was said.
func (i initializer) use(use func(data []byte) error) error {
	return i.tensor.Use(func(data []byte) error {
		if len(data) != i.tensor.NumBytes() {
			return fmt.Errorf("%w: %s has %d bytes, want %d", ErrTensor, i.tensor.Name, len(data), i.tensor.NumBytes())
		}
		return use(data)
	})
}

// Fields by their numbers in onnx.proto.
var (
	graphField = field(&onnxpb.ModelProto{}, "graph")
	tensors    = field(&onnxpb.GraphProto{}, "initializer")
	rawData    = field(&onnxpb.TensorProto{}, "raw_data")
)

func field(m proto.Message, name protoreflect.Name) protowire.Number {
	return m.ProtoReflect().Descriptor().Fields().ByName(name).Number()
}

// size is that of a message of the graph that holds this tensor alone.
func (i initializer) size() int {
	n := proto.Size(i.message)
	if !i.beside {
		n += protowire.SizeTag(rawData) + protowire.SizeBytes(i.tensor.NumBytes())
	}
	return protowire.SizeTag(tensors) + protowire.SizeBytes(n)
}

// writeModel writes the model's message in pieces, so that only one tensor is in memory: what is written of a message with some fields, followed
// by what is written of one with the others, is what is written of a message with all of them.
func (g *graph) writeModel(w io.Writer, list []initializer) error {
	model, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion: irVersion(g.options.Opset), ProducerName: "clipkit", OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: int64(g.options.Opset)}},
		MetadataProps: g.metadata(),
	})
	if err != nil {
		return err
	}
	graph, err := proto.Marshal(g.proto)
	if err != nil {
		return err
	}
	size := len(graph)
	for _, i := range list {
		size += i.size()
	}
	model = protowire.AppendTag(model, graphField, protowire.BytesType)
	model = protowire.AppendVarint(model, uint64(size))
	if _, err := w.Write(append(model, graph...)); err != nil {
		return err
	}
	for _, i := range list {
		if err := i.writeMessage(w); err != nil {
			return err
		}
	}
	return nil
}

func (i initializer) writeMessage(w io.Writer) error {
	write := func(data []byte) error {
		i.message.RawData = data
		defer func() { i.message.RawData = nil }()
		piece, err := proto.Marshal(&onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{i.message}})
		if err != nil {
			return err
		}
		_, err = w.Write(piece)
		return err
	}
	if i.beside {
		return write(nil)
	}
	return i.use(write)
}

// irVersion is the version of the file format that came with an opset.
func irVersion(opset int) int64 {
	switch {
	case opset < 15:
		return 7
	case opset < 19:
		return 8
	case opset < 21:
		return 9
	}
	return 10
}
