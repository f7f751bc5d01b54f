package ort

import (
	"testing"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

func TestRewrite(t *testing.T) {
	einsum := func(eq string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: "Einsum", Input: []string{"a", "b"}, Attribute: []*onnxpb.AttributeProto{{Name: "equation", S: []byte(eq)}}}
	}
	for eq, want := range map[string]string{
		"abc,acd->abd":    "MatMul",
		"xmk,xkn->xmn":    "MatMul",
		"abc,adc->abd":    "Einsum", // the second is transposed
		"abc,acd->adb":    "Einsum", // the result is
		"abc,bcd->abd":    "Einsum", // no batch axis
		"aba,aac->aba":    "Einsum", // a diagonal
		"ab,bc->ac":       "Einsum",
		"abcd,abde->abce": "Einsum",
		"":                "Einsum",
	} {
		m := &onnxpb.ModelProto{
			IrVersion:   9,
			OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 21}, {Domain: "com.microsoft", Version: 1}},
			Graph:       &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{einsum(eq)}},
		}
		rewrite(m, 18)
		if got := m.Graph.Node[0].OpType; got != want {
			t.Errorf("%q became %s, want %s", eq, got, want)
		}
		if m.OpsetImport[0].Version != 18 || m.OpsetImport[1].Version != 1 || m.IrVersion != 8 {
			t.Errorf("opsets %v, IR %d", m.OpsetImport, m.IrVersion)
		}
	}
	m := &onnxpb.ModelProto{IrVersion: 9, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 21}}, Graph: &onnxpb.GraphProto{}}
	if rewrite(m, 0); m.OpsetImport[0].Version != 21 || m.IrVersion != 9 {
		t.Error("0 changed the opset")
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		p    Placement
		want bool
	}{
		{Placement{Providers: map[string]Share{"X": {1, 9}}}, true},
		{Placement{Providers: map[string]Share{"X": {2, 9}}}, false},
		{Placement{Providers: map[string]Share{"X": {1, 9}, "CPUExecutionProvider": {1, 1}}}, false},
		{Placement{Providers: map[string]Share{"CPUExecutionProvider": {1, 1}}}, false},
		{Placement{}, false},
	} {
		if got := c.p.Whole("X"); got != c.want {
			t.Errorf("%v: %v", c.p, got)
		}
	}
}

func TestErrorsSayWhatMatters(t *testing.T) {
	for raw, want := range map[string]string{
		"/root/CI/core/session/bridge.cc:1952 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library /x/libp.so with error: libascendcl.so: cannot open":       "Failed to load library /x/libp.so with error: libascendcl.so: cannot open",
		"Exception during initialization: /o/basic_backend.cc:136 ep::Backend::Backend(std::unique_ptr<P>&) /o/interface.cc:28 auto ep::Boundary(Func&&) [with bool typed = false] [OpenVINO-EP] Exception while Reading": "Exception during initialization: Exception while Reading",
		"plain\n  text": "plain text",
	} {
		if got := clean(raw); got != want {
			t.Errorf("%q", got)
		}
	}
}
