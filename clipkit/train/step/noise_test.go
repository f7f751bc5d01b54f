package step

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
)

// noise is how far the reference in float32 is from itself in float64, on one record (float32_vs_float64.json). The file names the tensors
// with the largest differences; those that it does not name differ no more than the last that it names.
// What is tested here may be ten times as far from the reference.
type noise struct {
	Loss       []float64          `json:"loss_f32_minus_f64"`
	Gradients  map[string]float64 `json:"grad_max_rel_err"`                  // of the largest value of a tensor
	Parameters map[string][]named `json:"worst_param_abs_err_after_k_steps"` // largest first
}

// times is what "ten times the reference's own noise" says.
const times = 10

// timesUpdated is that of parameters after updates. AdamW divides a gradient by its own size, so the noise of one that is almost zero moves its
// weight by a share of lr, and how much depends on the order of the processor's sums: XLA with AVX-512 leaves one of the 4,096 values of an
// out_proj.weight 11.6 times the reference's noise away, with AVX2 less than 10.
const timesUpdated = 15

// resolution is what float32 can tell apart, as a share of a tensor's largest value: a few units of the last place.
const resolution = 4.0 / (1 << 23)

// named is a pair [name, difference] of the file.
type named struct {
	name string
	abs  float64
}

func (n *named) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&n.name, &n.abs})
}

func readNoise(t *testing.T, kind, record string) noise {
	t.Helper()
	var all map[string]noise
	golden.JSON(t, kind+"/float32_vs_float64.json", &all)
	n, ok := all[record]
	if !ok {
		t.Fatalf("%s has no noise of %s", kind, record)
	}
	return n
}

func (n noise) loss() float64 {
	top := 0.0
	for _, d := range n.Loss {
		top = max(top, math.Abs(d))
	}
	return times * top
}

// gradient is the relative limit of a tensor's gradient.
func (n noise) gradient(name string, _ []float32) float64 {
	least := math.Inf(1)
	for _, rel := range n.Gradients {
		least = min(least, rel)
	}
	if rel, ok := n.Gradients[name]; ok {
		least = rel
	}
	return max(times*least, resolution)
}

// parameter gives the relative limit of a tensor after some steps, from the absolute one of the file. The differences that the file has for
// the attention's in_proj_bias are those of its key part, which is not compared.
func (n noise) parameter(steps string) func(name string, want []float32) float64 {
	list := n.Parameters[steps]
	return func(name string, want []float32) float64 {
		abs := list[len(list)-1].abs
		if i := slices.IndexFunc(list, func(x named) bool { return x.name == name }); i >= 0 && !strings.HasSuffix(name, "in_proj_bias") {
			abs = list[i].abs
		}
		top := 0.0
		for _, v := range want {
			top = max(top, math.Abs(float64(v)))
		}
		return max(timesUpdated*abs/top, resolution)
	}
}

func compareParameters(t *testing.T, m *model.Model, kind, file string, limit func(string, []float32) float64) {
	t.Helper()
	golden.CloseTensors(t, m.Config.TextWidth, kind, file, limit, func(name string) []float32 { return modeltest.Values(t, m, name) })
}
