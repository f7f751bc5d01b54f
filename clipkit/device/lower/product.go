package lower

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// DotGeneral is one MatMul of [M,K]×[K,N] or, with batch axes, of [B,M,K]×[B,K,N]. compute-onnx makes an Einsum of everything but the first.
func (f *function) DotGeneral(lhs compute.Value, lhsContracting, lhsBatch []int, rhs compute.Value, rhsContracting, rhsBatch []int,
	cfg compute.DotGeneralConfig) (compute.Value, error) {
	s := &steps{f: f}
	l, r := s.shape(lhs), s.shape(rhs)
	if s.err != nil {
		return nil, s.err
	}
	if len(lhsBatch) == 0 && l.Rank() <= 2 && r.Rank() <= 2 && len(lhsContracting) == 1 {
		return f.Function.DotGeneral(lhs, lhsContracting, nil, rhs, rhsContracting, nil, cfg)
	}
	out, sum := l.DType, l.DType
	if cfg.AccumulatorDType != dtypes.InvalidDType {
		sum = cfg.AccumulatorDType
	}
	if cfg.OutputDType != dtypes.InvalidDType {
		out = cfg.OutputDType
	}
	lhsFree, rhsFree := others(l.Rank(), lhsContracting, lhsBatch), others(r.Rank(), rhsContracting, rhsBatch)
	if len(lhsBatch) == 0 {
		a := s.arrange(lhs, l, lhsFree, lhsContracting)
		b := s.arrange(rhs, r, rhsContracting, rhsFree)
		y := s.do(func() (compute.Value, error) { return f.Function.DotGeneral(a, []int{1}, nil, b, []int{0}, nil, cfg) })
		y = s.reshape(y, slices.Concat(dims(l, lhsFree), dims(r, rhsFree)))
		return y, s.err
	}
	a := s.convert(s.arrange(lhs, l, lhsBatch, lhsFree, lhsContracting), sum)
	b := s.convert(s.arrange(rhs, r, rhsBatch, rhsContracting, rhsFree), sum)
	shape := shapes.Make(sum, product(dims(l, lhsBatch)), product(dims(l, lhsFree)), product(dims(r, rhsFree)))
	y := s.do(func() (compute.Value, error) { return f.node("MatMul", shape, a, b) })
	y = s.reshape(s.convert(y, out), slices.Concat(dims(l, lhsBatch), dims(l, lhsFree), dims(r, rhsFree)))
	return y, s.err
}

// arrange turns x so that its axes are in the order of groups, and makes each group one axis.
func (s *steps) arrange(x compute.Value, shape shapes.Shape, groups ...[]int) compute.Value {
	order := slices.Concat(groups...)
	if !slices.IsSorted(order) {
		x = s.do(func() (compute.Value, error) { return s.f.Function.Transpose(x, order...) })
	}
	to := make([]int, len(groups))
	for i, g := range groups {
		to[i] = product(dims(shape, g))
	}
	return s.reshape(x, to)
}

// reshape leaves out what changes nothing.
func (s *steps) reshape(x compute.Value, to []int) compute.Value {
	if have := s.shape(x); s.err != nil || slices.Equal(have.Dimensions, to) {
		return x
	}
	return s.do(func() (compute.Value, error) { return s.f.Function.Reshape(x, to...) })
}

func (s *steps) convert(x compute.Value, to dtypes.DType) compute.Value {
	if have := s.shape(x); s.err != nil || have.DType == to {
		return x
	}
	return s.do(func() (compute.Value, error) { return s.f.Function.ConvertDType(x, to) })
}

// others are the axes that are not named.
func others(rank int, named ...[]int) (axes []int) {
	for a := range rank {
		if !slices.Contains(slices.Concat(named...), a) {
			axes = append(axes, a)
		}
	}
	return axes
}

func dims(s shapes.Shape, axes []int) (d []int) {
	for _, a := range axes {
		d = append(d, s.Dimensions[a])
	}
	return d
}

func product(d []int) int {
	n := 1
	for _, v := range d {
		n *= v
	}
	return n
}
