package lower

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// rowsAtOnce bounds the equality matrix of ScatterSum: [rowsAtOnce, n].
const rowsAtOnce = 1024

// ScatterSum adds rows, updates [...,W], to those of operand [V,W] that indices [...,1] name: the gradient of an embedding. A ScatterND that adds
// is not taken. So each row is first summed with its equals, by the product of the matrix that says which indices are equal with the updates, and a
// plain ScatterND then writes the sums: equal indices write equal rows, and their order means nothing. For n rows that is n² values, made
// rowsAtOnce·n at a time, and 2n²W operations; the one-hot form has V·n values and 2VnW operations, and V is 21128. For 128 texts of 52 tokens on
// two cores that is 0.18 s and 0.4 GB, against 4.6 s and 1.4 GB of the one-hot form, and 7 ms of a ScatterND that adds.
func (f *function) ScatterSum(operand, indices, updates compute.Value, indexAxis int, windowAxes, insertedAxes, scatterAxes []int,
	sorted, unique bool) (compute.Value, error) {
	s := &steps{f: f}
	table, at, rows := s.shape(operand), s.shape(indices), s.shape(updates)
	if s.err != nil {
		return nil, s.err
	}
	prefix := at.Rank()
	if indexAxis < at.Rank() {
		prefix--
	}
	if table.Rank() != 2 || !table.DType.IsFloat() || !slices.Equal(scatterAxes, []int{0}) || !slices.Equal(insertedAxes, []int{0}) ||
		indexAxis < prefix || indexAxis < at.Rank() && at.Dim(indexAxis) != 1 ||
		!slices.Equal(windowAxes, []int{prefix}) || rows.Rank() != prefix+1 || rows.Dim(prefix) != table.Dim(1) {
		return nil, fmt.Errorf("adding %s at %s to %s for an NPU: only whole rows of a matrix are lowered (window axes %v, inserted %v, scattered %v)",
			rows, at, table, windowAxes, insertedAxes, scatterAxes)
	}
	n, width := at.Size(), table.Dim(1)
	indices = s.reshape(indices, []int{n, 1})
	updates = s.convert(s.reshape(updates, []int{n, width}), table.DType)
	if !unique {
		updates = s.sumEqual(s.convert(indices, dtypes.Int32), updates, n, table.DType)
	}
	index := s.convert(indices, dtypes.Int64)
	before := s.do(func() (compute.Value, error) {
		return f.node("GatherND", shapes.Make(table.DType, n, width), operand, index)
	})
	after := s.do(func() (compute.Value, error) { return f.Function.Add(before, updates) })
	out := s.do(func() (compute.Value, error) { return f.node("ScatterND", table, operand, index, after) })
	return out, s.err
}

// sumEqual gives each row of updates [n,W] the sum of all whose index [n,1] is its own.
func (s *steps) sumEqual(index, updates compute.Value, n int, dtype dtypes.DType) compute.Value {
	f := s.f.Function
	row := s.reshape(index, []int{1, n})
	var sums []compute.Value
	for from := 0; from < n; from += rowsAtOnce {
		to := min(from+rowsAtOnce, n)
		column := s.do(func() (compute.Value, error) { return f.Slice(index, []int{from, 0}, []int{to, 1}, []int{1, 1}) })
		equal := s.convert(s.do(func() (compute.Value, error) {
			return s.f.node("Equal", shapes.Make(dtypes.Bool, to-from, n), column, row)
		}), dtype)
		sums = append(sums, s.do(func() (compute.Value, error) {
			return f.DotGeneral(equal, []int{1}, nil, updates, []int{0}, nil, compute.DotGeneralConfig{})
		}))
	}
	if len(sums) == 1 {
		return sums[0]
	}
	return s.do(func() (compute.Value, error) { return f.Concatenate(0, sums...) })
}
