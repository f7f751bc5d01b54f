package lower_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/lower"
	"clipnb/clipkit/internal/golden"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// call runs a graph of one output.
func call(b compute.Backend, graph func([]*Node) *Node, in ...any) (values []float32, err error) {
	err = device.Catch(func() error {
		exec, err := NewExec(b, func(in []*Node) *Node { return graph(in) })
		if err != nil {
			return err
		}
		defer exec.Finalize()
		out, err := exec.Call(in...)
		if err == nil {
			values, err = tensors.CopyFlatData[float32](out[0])
		}
		return err
	})
	return values, err
}

func normal(rng *rand.Rand, dims ...int) (*tensors.Tensor, *tensors.Tensor) {
	n := 1
	for _, d := range dims {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(x, dims...), tensors.FromFlatDataAndDimensions(slices.Clone(x), dims...)
}

// Products of every arrangement of contracted, shared and free axes are those of the plain engine, and no Einsum.
func TestProducts(t *testing.T) {
	plain, lowered, seen := open(t, false)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 40 {
		// axes of the left and of the right side: contracted and shared ones have the same size on both
		contracted, shared, left, right := rng.IntN(3), rng.IntN(3), rng.IntN(3), rng.IntN(3)
		sizes := func(n int) (d []int) {
			for range n {
				d = append(d, 1+rng.IntN(5))
			}
			return d
		}
		c, s := sizes(contracted), sizes(shared)
		side := func(free []int) (dims, cAxes, sAxes []int) {
			all := slices.Concat(c, s, free)
			order := rng.Perm(len(all))
			dims = make([]int, len(all))
			for i, at := range order {
				dims[at] = all[i]
			}
			return dims, order[:contracted], order[contracted : contracted+shared]
		}
		lDims, lc, ls := side(sizes(left))
		rDims, rc, rs := side(sizes(right))
		form := fmt.Sprintf("%v·%v contracting %v %v, sharing %v %v", lDims, rDims, lc, rc, ls, rs)
		l, l2 := normal(rng, lDims...)
		r, r2 := normal(rng, rDims...)
		dot := func(in []*Node) *Node { return Dot(in[0], in[1]).General(lc, ls, rc, rs) }
		want, err := call(plain.Backend, dot, l, r)
		if err != nil {
			t.Fatalf("%s, plain: %v", form, err)
		}
		got, err := call(lowered.Backend, dot, l2, r2)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if _, rel := golden.Difference(got, want); rel > 2e-6 {
			t.Errorf("%s differs by %.2g", form, rel)
		}
	}
	seen.taken(t)
}

// Rows that are added to a matrix, many of them to the same place, in one block of the equality matrix and in several.
func TestScatteredRows(t *testing.T) {
	plain, lowered, seen := open(t, false)
	rng := rand.New(rand.NewPCG(7, 8))
	for _, c := range []struct {
		prefix []int // of the indices
		index  any   // their type
		unique bool
	}{{[]int{5, 7}, int32(0), false}, {[]int{2500}, int64(0), false}, {[]int{1024}, int32(0), false}, {[]int{64}, int32(0), true}} {
		const table, width = 400, 24
		n := 1
		for _, d := range c.prefix {
			n *= d
		}
		at := rng.Perm(table)[:min(n, table)]
		for !c.unique && len(at) < n || !c.unique && at[0] != at[1] {
			if len(at) < n {
				at = append(at, rng.IntN(table/4))
				continue
			}
			at[0] = at[1]
		}
		indices := func() *tensors.Tensor {
			dims := append(slices.Clone(c.prefix), 1)
			if _, long := c.index.(int64); long {
				x := make([]int64, n)
				for i := range x {
					x[i] = int64(at[i])
				}
				return tensors.FromFlatDataAndDimensions(x, dims...)
			}
			x := make([]int32, n)
			for i := range x {
				x[i] = int32(at[i])
			}
			return tensors.FromFlatDataAndDimensions(x, dims...)
		}
		operand, operand2 := normal(rng, table, width)
		rows, rows2 := normal(rng, append(slices.Clone(c.prefix), width)...)
		sum := func(in []*Node) *Node { return ScatterSum(in[0], in[1], in[2], false, c.unique) }
		want, err := call(plain.Backend, sum, operand, indices(), rows)
		if err != nil {
			t.Fatal(err)
		}
		got, err := call(lowered.Backend, sum, operand2, indices(), rows2)
		if err != nil {
			t.Fatal(err)
		}
		if _, rel := golden.Difference(got, want); rel > 1e-6 {
			t.Errorf("%v %T rows differ by %.2g", c.prefix, c.index, rel)
		}
	}
	seen.taken(t)
	if seen.operations()["Concat"] == 0 {
		t.Error("no scatter was in several blocks")
	}
}

// What cannot be lowered fails while it is built, and says so.
func TestRefusedForms(t *testing.T) {
	_, lowered, _ := open(t, false)
	other, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	x := func(dims ...int) *tensors.Tensor { return tensors.FromShape(shapes.Make(dtypes.Float32, dims...)) }
	for name, c := range map[string]struct {
		on    compute.Backend
		graph func([]*Node) *Node
		in    []any
		says  string
	}{
		"scatter of cubes": {lowered.Backend, func(in []*Node) *Node {
			return ScatterSum(in[0], Const(in[0].Graph(), [][]int32{{1}, {2}}), in[1], false, false)
		}, []any{x(4, 2, 3), x(2, 2, 3)}, "only whole rows of a matrix"},
		"random bytes": {lowered.Backend, func(in []*Node) *Node {
			_, u := RandomUniform(Const(in[0].Graph(), []uint64{1, 2, 3}), shapes.Make(dtypes.Float64, 3))
			return Add(in[0], ConvertDType(u, dtypes.Float32))
		}, []any{x(3)}, "random numbers of shape"},
		"another engine": {lower.Wrap(other.Backend), func(in []*Node) *Node {
			return Dot(in[0], in[1]).General([]int{2}, []int{0}, []int{2}, []int{0})
		}, []any{x(2, 3, 4), x(2, 5, 4)}, "not compute-onnx's"},
	} {
		if _, err := call(c.on, c.graph, c.in...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
