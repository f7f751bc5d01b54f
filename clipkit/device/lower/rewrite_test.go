package lower_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/device/lower"

	"github.com/gomlx/compute"
	onnx "github.com/gomlx/compute-onnx"
	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"google.golang.org/protobuf/proto"
)

// graphOf is a model of these operations, which need not make sense.
func graphOf(nodes ...*onnxpb.NodeProto) *onnxpb.ModelProto {
	return &onnxpb.ModelProto{IrVersion: 9, Graph: &onnxpb.GraphProto{Name: "g", Node: nodes},
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 21}, {Domain: "com.microsoft", Version: 1}}}
}

func text(name, value string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(value)}
}

func marshal(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRewriteRefuses(t *testing.T) {
	add := &onnxpb.NodeProto{OpType: "Add"}
	noVersion := graphOf(add)
	noVersion.OpsetImport = nil
	for name, c := range map[string]struct {
		model []byte
		is    error
		says  string
	}{
		"einsum": {marshal(t, graphOf(add, &onnxpb.NodeProto{OpType: "Einsum", Attribute: []*onnxpb.AttributeProto{text("equation", "abc,acd->abd")}})),
			lower.ErrNotTaken, "Einsum equation=abc,acd->abd ×1"},
		"scatter": {marshal(t, graphOf(&onnxpb.NodeProto{OpType: "ScatterND", Attribute: []*onnxpb.AttributeProto{text("reduction", "add")}})),
			lower.ErrNotTaken, "ScatterND reduction=add ×1"},
		"two": {marshal(t, graphOf(&onnxpb.NodeProto{OpType: "Gelu"}, &onnxpb.NodeProto{OpType: "IsNaN"}, &onnxpb.NodeProto{OpType: "Gelu"})),
			lower.ErrNotTaken, "Gelu ×2, IsNaN ×1"},
		"domain":     {marshal(t, graphOf(&onnxpb.NodeProto{OpType: "Add", Domain: "com.microsoft"})), lower.ErrNotTaken, "com.microsoft.Add ×1"},
		"bytes":      {[]byte("no model at all"), lower.ErrModel, ""},
		"cut":        {marshal(t, graphOf(add))[:20], lower.ErrModel, ""},
		"empty":      {nil, lower.ErrModel, "no operations"},
		"no version": {marshal(t, noVersion), lower.ErrModel, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := lower.Rewrite(c.model)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || out != nil {
				t.Errorf("%d bytes, %v", len(out), err)
			}
		})
	}
}

// A rewritten model gives the same numbers, to the bit, and says an older version.
func TestRewriteKeepsTheGraph(t *testing.T) {
	_, lowered, seen := open(t, false)
	exec, err := NewExec(lowered.Backend, func(x, w *Node) *Node {
		y := Dot(x, w).General([]int{2}, []int{0}, []int{2}, []int{0}) // [2,3,4]×[2,5,4]
		return Softmax(Add(y, ReduceAndKeep(y, ReduceMax, 1)), -1)
	})
	if err != nil {
		t.Fatal(err)
	}
	x, w := make([]float32, 2*3*4), make([]float32, 2*5*4)
	for i := range w {
		w[i] = float32(i%7) - 2.5
	}
	for i := range x {
		x[i] = float32(i%5) - 1.25
	}
	flat := [][]float32{x, w}
	dims := [][]int{{2, 3, 4}, {2, 5, 4}}
	res, err := exec.Call(tensors.FromFlatDataAndDimensions(x, dims[0]...), tensors.FromFlatDataAndDimensions(w, dims[1]...))
	if err != nil {
		t.Fatal(err)
	}
	want := tensors.MustCopyFlatData[float32](res[0])
	before := marshal(t, seen.models[len(seen.models)-1])
	after, err := lower.Rewrite(before)
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(after, &m); err != nil {
		t.Fatal(err)
	}
	if m.IrVersion != 8 || m.OpsetImport[0].Version != 18 {
		t.Errorf("IR %d, opset %v", m.IrVersion, m.OpsetImport)
	}
	e, err := onnx.LoadModel(seen.Backend, bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	var in []compute.Buffer
	for i := range flat {
		buffer, err := seen.Backend.BufferFromFlatData(0, flat[i], shapes.Make(dtypes.Float32, dims[i]...))
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, buffer)
	}
	out, err := e.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(want))
	if err := out[0].ToFlatData(got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(marshal(f, graphOf(&onnxpb.NodeProto{OpType: "Add"})))
	f.Add(marshal(f, graphOf(&onnxpb.NodeProto{OpType: "Einsum", Attribute: []*onnxpb.AttributeProto{text("equation", "a,b->ab")}})))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		once, err := lower.Rewrite(b)
		if err != nil {
			if !errors.Is(err, lower.ErrModel) && !errors.Is(err, lower.ErrNotTaken) {
				t.Error(err)
			}
			return
		}
		if _, err := lower.Rewrite(once); err != nil {
			t.Errorf("what was accepted is refused the second time: %v", err)
		}
	})
}
