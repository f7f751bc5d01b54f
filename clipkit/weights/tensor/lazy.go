package tensor

import (
	"fmt"
	"slices"
)

// Lazy is a tensor whose bytes do not lie anywhere yet: build makes them, each time that they are asked for.
func Lazy(name, dtype string, shape []int, build func() []byte) Tensor {
	return Tensor{Name: name, DType: dtype, Shape: shape, build: build}
}

// Bytes is the data, made now where it has to be.
func (t Tensor) Bytes() []byte {
	if t.build != nil {
		return t.build()
	}
	return t.Data
}

// Materialized is t with Data set.
func (t Tensor) Materialized() Tensor {
	t.Data, t.build = t.Bytes(), nil
	return t
}

// Join stacks tensors along their first axis: q, k and v become in_proj.
func Join(name string, parts ...Tensor) (Tensor, error) {
	first := parts[0]
	shape := slices.Clone(first.Shape)
	for _, p := range parts[1:] {
		if len(p.Shape) == 0 || len(p.Shape) != len(shape) || p.DType != first.DType || !slices.Equal(p.Shape[1:], shape[1:]) {
			return Tensor{}, fmt.Errorf("%w: %s is %s %v and %s is %s %v: they do not join to %s",
				ErrFormat, first.Name, first.DType, first.Shape, p.Name, p.DType, p.Shape, name)
		}
		shape[0] += p.Shape[0]
	}
	return Lazy(name, first.DType, shape, func() []byte {
		var all [][]byte
		for _, p := range parts {
			all = append(all, p.Bytes())
		}
		return slices.Concat(all...)
	}), nil
}

// Third splits the rows of a tensor into three equal parts and gives part i: q, k or v out of in_proj.
func Third(name string, t Tensor, i int) (Tensor, error) {
	if len(t.Shape) == 0 || t.Shape[0]%3 != 0 {
		return Tensor{}, fmt.Errorf("%w: %s has shape %v, whose rows are not three equal parts", ErrFormat, t.Name, t.Shape)
	}
	shape := slices.Clone(t.Shape)
	shape[0] /= 3
	n := ElementSize(t.DType) * t.Size() / 3
	if t.build != nil {
		return Lazy(name, t.DType, shape, func() []byte { return t.build()[i*n : (i+1)*n] }), nil
	}
	return Tensor{Name: name, DType: t.DType, Shape: shape, Data: t.Data[i*n : (i+1)*n]}, nil
}

// Transpose swaps the two axes of a matrix: [in,out] to [out,in].
func Transpose(name string, t Tensor) (Tensor, error) {
	if len(t.Shape) != 2 {
		return Tensor{}, fmt.Errorf("%w: %s has shape %v, want a matrix", ErrFormat, t.Name, t.Shape)
	}
	rows, cols, size := t.Shape[0], t.Shape[1], ElementSize(t.DType)
	return Lazy(name, t.DType, []int{cols, rows}, func() []byte {
		in := t.Bytes()
		if len(in) == 0 {
			return in // a matrix with an axis of 0 has no bytes, and its other axis may be of any length: the loops would not end
		}
		out := make([]byte, len(in))
		for i := range rows {
			for j := range cols {
				copy(out[(j*rows+i)*size:][:size], in[(i*cols+j)*size:])
			}
		}
		return out
	}), nil
}
