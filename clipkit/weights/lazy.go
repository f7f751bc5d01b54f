package weights

import (
	"fmt"
	"slices"
)

// Tensors that lie in the file otherwise than they are needed. Their bytes are made when File.Tensor asks for them, one tensor at a time:
// a model of 3.6 GB never has a second copy in memory.

// bytes is the data, made now where it has to be.
func (t Tensor) bytes() []byte {
	if t.build != nil {
		return t.build()
	}
	return t.Data
}

// joined stacks tensors along their first axis: q, k and v become in_proj.
func joined(name string, parts ...Tensor) (Tensor, error) {
	first := parts[0]
	shape := slices.Clone(first.Shape)
	for _, p := range parts[1:] {
		if len(p.Shape) == 0 || len(p.Shape) != len(shape) || p.DType != first.DType || !slices.Equal(p.Shape[1:], shape[1:]) {
			return Tensor{}, fmt.Errorf("%w: %s is %s %v and %s is %s %v: they do not join to %s",
				ErrFormat, first.Name, first.DType, first.Shape, p.Name, p.DType, p.Shape, name)
		}
		shape[0] += p.Shape[0]
	}
	build := func() []byte {
		var all [][]byte
		for _, p := range parts {
			all = append(all, p.bytes())
		}
		return slices.Concat(all...)
	}
	return Tensor{Name: name, DType: first.DType, Shape: shape, build: build}, nil
}

// third is rows i/3 to (i+1)/3 of a tensor: q, k or v out of in_proj.
func third(name string, t Tensor, i int) (Tensor, error) {
	if len(t.Shape) == 0 || t.Shape[0]%3 != 0 {
		return Tensor{}, fmt.Errorf("%w: %s has shape %v, whose rows are not three equal parts", ErrFormat, t.Name, t.Shape)
	}
	shape := slices.Clone(t.Shape)
	shape[0] /= 3
	n := dtypeSize[t.DType] * t.Size() / 3
	part := Tensor{Name: name, DType: t.DType, Shape: shape}
	if t.build == nil {
		part.Data = t.Data[i*n : (i+1)*n]
	} else {
		part.build = func() []byte { return t.build()[i*n : (i+1)*n] }
	}
	return part, nil
}

// transposed swaps the two axes of a matrix: [in,out] to [out,in].
func transposed(name string, t Tensor) (Tensor, error) {
	if len(t.Shape) != 2 {
		return Tensor{}, fmt.Errorf("%w: %s has shape %v, want a matrix", ErrFormat, t.Name, t.Shape)
	}
	rows, cols, size := t.Shape[0], t.Shape[1], dtypeSize[t.DType]
	build := func() []byte {
		in := t.bytes()
		if len(in) == 0 {
			return in // an axis of 0 leaves the other one unbounded
		}
		out := make([]byte, len(in))
		for i := range rows {
			for j := range cols {
				copy(out[(j*rows+i)*size:][:size], in[(i*cols+j)*size:])
			}
		}
		return out
	}
	return Tensor{Name: name, DType: t.DType, Shape: []int{cols, rows}, build: build}, nil
}
