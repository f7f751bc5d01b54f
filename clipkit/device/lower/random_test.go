package lower_test

import (
	"math"
	"slices"
	"testing"

	"clipnb/clipkit/device"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

const rows, columns = 1200, 768

// draw gives two draws, one after the other, from a state.
func draw(t *testing.T, dev *device.Device, exec **Exec, state ...uint64) (first, second []float32) {
	t.Helper()
	if *exec == nil {
		var err error
		*exec, err = NewExec(dev.Backend, func(state *Node) []*Node {
			shape := shapes.Make(dtypes.Float32, 2, rows/2, columns)
			state, a := RandomUniform(state, shape)
			_, b := RandomUniform(state, shape)
			return []*Node{a, b}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := (*exec).Call(tensors.FromFlatDataAndDimensions(state, 3))
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0]), tensors.MustCopyFlatData[float32](out[1])
}

// Random numbers are uniform, and neighbours, rows, columns, draws and steps have nothing to do with each other. The limits are five standard
// deviations of independent numbers.
func TestRandomNumbers(t *testing.T) {
	_, lowered, seen := open(t, true)
	var exec *Exec
	const n = rows * columns
	a, b := draw(t, lowered, &exec, 123, 7, 0x9E3779B97F4A7C15)
	seen.taken(t)
	again, _ := draw(t, lowered, &exec, 123, 7, 0x9E3779B97F4A7C15)
	if !slices.Equal(a, again) {
		t.Error("the same state gave other numbers")
	}
	part, _ := draw(t, lowered, &exec, 123, 7, 0x9E3779B97F4A7C16)
	step, _ := draw(t, lowered, &exec, 123, 8, 0x9E3779B97F4A7C15)
	seed, _ := draw(t, lowered, &exec, 1<<63+122, 7, 0x9E3779B97F4A7C15)

	for _, limit := range []float64{0.1, 0.5, 0.9} {
		below, inRow, inColumn := 0, make([]float64, rows), make([]float64, columns)
		for i, v := range a {
			if v < 0 || v >= 1 {
				t.Fatalf("number %v", v)
			}
			if float64(v) < limit {
				below++
				inRow[i/columns]++
				inColumn[i%columns]++
			}
		}
		if off := math.Abs(float64(below)/n - limit); off > 5*math.Sqrt(limit*(1-limit)/n)+1.0/2039 {
			t.Errorf("%.5f of the numbers are below %v", float64(below)/n, limit)
		}
		for name, counts := range map[string][]float64{"rows": inRow, "columns": inColumn} {
			mean, of := float64(below)/float64(len(counts)), float64(n/len(counts))
			spread := 0.0
			for _, c := range counts {
				spread += (c - mean) * (c - mean)
			}
			ratio := spread / float64(len(counts)) / (of * limit * (1 - limit))
			t.Logf("limit %v: counts of %s vary %.3f times as they would by chance", limit, name, ratio)
			if math.Abs(ratio-1) > 5*math.Sqrt(2/float64(len(counts))) {
				t.Errorf("limit %v: counts of %s vary %.3f times as they would by chance", limit, name, ratio)
			}
		}
	}
	shift := func(x []float32, by int) []float32 { return append(slices.Clone(x[by:]), x[:by]...) }
	for name, other := range map[string][]float32{"the next column": shift(a, 1), "the next row": shift(a, columns), "diagonal": shift(a, columns+1),
		"two rows on": shift(a, 2*columns), "the next draw": b, "another micro-batch": part, "the next step": step, "another seed": seed} {
		sum := 0.0
		for i := range a {
			sum += (float64(a[i]) - 0.5) * (float64(other[i]) - 0.5)
		}
		if c := 12 * sum / n; math.Abs(c) > 5/math.Sqrt(n) {
			t.Errorf("correlation with %s is %.2g", name, c)
		}
	}
}
