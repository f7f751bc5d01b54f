package ort

import "testing"

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		p    Placement
		want bool
	}{
		{Placement{Providers: map[string]Share{"X": {Subgraphs: 1, Nodes: 9}}}, true},
		{Placement{Providers: map[string]Share{"X": {Subgraphs: 2, Nodes: 9}}}, false},
		{Placement{Providers: map[string]Share{"X": {Subgraphs: 1, Nodes: 9}, "CPUExecutionProvider": {Subgraphs: 1, Nodes: 1}}}, false},
		{Placement{Providers: map[string]Share{"CPUExecutionProvider": {Subgraphs: 1, Nodes: 1}}}, false},
		{Placement{}, false},
	} {
		if got := c.p.Whole("X"); got != c.want {
			t.Errorf("%v: %v", c.p, got)
		}
	}
}

func TestErrorsSayWhatMatters(t *testing.T) {
	for raw, want := range map[string]string{
		"/build/CI/core/session/bridge.cc:1952 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library /x/libp.so with error: libascendcl.so: cannot open":      "Failed to load library /x/libp.so with error: libascendcl.so: cannot open",
		"Exception during initialization: /o/basic_backend.cc:136 ep::Backend::Backend(std::unique_ptr<P>&) /o/interface.cc:28 auto ep::Boundary(Func&&) [with bool typed = false] [OpenVINO-EP] Exception while Reading": "Exception during initialization: Exception while Reading",
		"plain\n  text": "plain text",
	} {
		if got := clean(raw); got != want {
			t.Errorf("%q", got)
		}
	}
}
