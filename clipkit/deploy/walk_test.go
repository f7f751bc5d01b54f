package deploy

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

// elsewhere is a tensor with its data in another file.
func elsewhere(pairs ...string) *onnxpb.TensorProto {
	x := &onnxpb.TensorProto{Name: "x", DataType: 1, DataLocation: onnxpb.TensorProto_EXTERNAL}
	for i := 0; i < len(pairs); i += 2 {
		x.ExternalData = append(x.ExternalData, &onnxpb.StringStringEntryProto{Key: pairs[i], Value: pairs[i+1]})
	}
	return x
}

func marshalled(t testing.TB, m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Wherever a tensor may stand, its data is found.
// fault 10
func TestExternalDataIsFoundEverywhere(t *testing.T) {
	attribute := func(a *onnxpb.AttributeProto) []*onnxpb.NodeProto {
		return []*onnxpb.NodeProto{{OpType: "Constant", Attribute: []*onnxpb.AttributeProto{a}}}
	}
	tensor := func(name string) *onnxpb.TensorProto {
		return elsewhere("location", name, "offset", "4096", "length", "12")
	}
	sub := &onnxpb.GraphProto{Node: attribute(&onnxpb.AttributeProto{T: tensor("sub")})}
	m := &onnxpb.ModelProto{
		ProducerName: strings.Repeat("long ", 3000),
		Graph: &onnxpb.GraphProto{
			Node: append(attribute(&onnxpb.AttributeProto{T: tensor("attribute"), Tensors: []*onnxpb.TensorProto{tensor("list")}}),
				attribute(&onnxpb.AttributeProto{G: sub, SparseTensor: &onnxpb.SparseTensorProto{Values: tensor("sparse")}})...),
			Initializer: []*onnxpb.TensorProto{{Name: "inside", RawData: make([]byte, 100_000)}, tensor("initializer"), elsewhere("location", "whole")},
		},
		Functions: []*onnxpb.FunctionProto{{Node: attribute(&onnxpb.AttributeProto{T: tensor("function")})}},
	}
	b := marshalled(t, m)
	list, err := externals(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]external{}
	for _, e := range list {
		seen[e.location] = e
	}
	for _, name := range []string{"attribute", "list", "sub", "sparse", "initializer", "function"} {
		if e := seen[name]; e.offset != 4096 || e.length != 12 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := seen["whole"]; e.offset != 0 || e.length != -1 || len(list) != 7 {
		t.Errorf("%+v of %d", e, len(list))
	}
	for n := range len(b) { // cut anywhere
		if n > 300 && n < len(b)-300 && n%997 != 0 {
			continue
		}
		if _, err := externals(bytes.NewReader(b[:n]), int64(len(b))); err == nil {
			t.Errorf("the first %d of %d bytes are a file", n, len(b))
		}
	}
}

// broken are files that no exporter writes; they lie in testdata/broken, too.
func broken(t testing.TB) map[string][]byte {
	file := func(x *onnxpb.TensorProto) []byte {
		return marshalled(t, &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{x}}})
	}
	deep := &onnxpb.GraphProto{}
	for range maxDepth {
		deep = &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{{Attribute: []*onnxpb.AttributeProto{{G: deep}}}}}
	}
	return map[string][]byte{
		"two-locations.onnx":   file(elsewhere("location", "a", "location", "../b")),
		"no-number.onnx":       file(elsewhere("location", "a", "offset", "-1")),
		"two-lengths.onnx":     file(elsewhere("location", "a", "length", "1", "length", "2")),
		"unknown-key.onnx":     file(elsewhere("location", "a", "url", "http://b")),
		"long-entry.onnx":      file(elsewhere("location", strings.Repeat("a", 5000))),
		"deep.onnx":            marshalled(t, &onnxpb.ModelProto{Graph: deep}),
		"group.onnx":           {0x3b, 0x3c},
		"field-too-long.onnx":  {0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"number-too-long.onnx": {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"text.onnx":            []byte("not a model\n"),
	}
}

// fault 10
func TestBrokenFilesAreRefused(t *testing.T) {
	for name, b := range broken(t) {
		path := filepath.Join("testdata", "broken", name)
		kept, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(kept, b) {
			t.Errorf("%s: other bytes than here (%v)", path, err)
		}
		_, err = externals(bytes.NewReader(kept), int64(len(kept)))
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzExternals(f *testing.F) {
	for _, b := range broken(f) {
		f.Add(b)
	}
	f.Add(marshalled(f, &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{elsewhere("location", "a", "length", "3")}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := externals(bytes.NewReader(b), int64(len(b)))
		var m onnxpb.ModelProto
		if err != nil || proto.Unmarshal(b, &m) != nil {
			return
		}
		found := fmt.Sprint(list)
		for _, x := range m.GetGraph().GetInitializer() { // what another reader sees is among what was found
			for _, e := range x.ExternalData {
				if e.Key == "location" && !strings.Contains(found, e.Value) {
					t.Errorf("%q is not in %s", e.Value, found)
				}
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"files":[{"path":"../a"}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if !plain(file.Path) || file.Beside != nil && !plain(file.Beside.Path) {
				t.Errorf("%+v leaves the folder", file)
			}
		}
	})
}
