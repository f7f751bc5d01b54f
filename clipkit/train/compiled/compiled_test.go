package compiled

import (
	"slices"
	"testing"

	"clipnb/clipkit/device"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Functions run for each shape of their inputs, keep them only where they say so, and start again after Close.
func TestFunctions(t *testing.T) {
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	sum := func(in []*graph.Node) []*graph.Node { return []*graph.Node{graph.Add(in[0], in[1])} }
	f := Function{Build: sum}
	m := ModelFunction{Build: func(_ *gomodel.Scope, in []*graph.Node) []*graph.Node { return sum(in) }}
	store := gomodel.NewStore()
	for _, x := range [][]float32{{1, 2}, {1, 2, 3}, {4, 5}} {
		input := func() *tensors.Tensor { return tensors.FromFlatDataAndDimensions(slices.Clone(x), len(x)) }
		kept, taken, too := input(), input(), input()
		for name, run := range map[string]func() ([]*tensors.Tensor, error){
			"keeping inputs":    func() ([]*tensors.Tensor, error) { return f.RunKeepingInputs(dev, kept, kept) },
			"taking inputs":     func() ([]*tensors.Tensor, error) { return f.Run(dev, input(), input()) },
			"a model's":         func() ([]*tensors.Tensor, error) { return m.Run(t.Context(), dev, store, taken, too) },
			"a model's, closed": func() ([]*tensors.Tensor, error) { m.Close(); return m.Run(t.Context(), dev, store, input(), input()) },
		} {
			out, err := run()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := TakeValues(out[0])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i := range x {
				if len(got) != len(x) || got[i] != 2*x[i] {
					t.Fatalf("%s: %v and itself make %v", name, x, got)
				}
			}
			if out[0].Ok() {
				t.Errorf("%s: the output's values were not taken", name)
			}
		}
		if !kept.Ok() || taken.Ok() || too.Ok() {
			t.Errorf("inputs that are there: kept %v, a model's %v and %v", kept.Ok(), taken.Ok(), too.Ok())
		}
	}
	f.Close()
	m.Close()
}
