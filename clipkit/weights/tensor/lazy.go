package tensor

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"
)

// Lazy is a tensor whose bytes do not lie anywhere yet: build makes them, each time that they are asked for.
func Lazy(name, dtype string, shape []int, build func() ([]byte, error)) Tensor {
	return Tensor{Name: name, DType: dtype, Shape: shape, build: build}
}

// Lent is a tensor whose bytes belong to somebody who shows them for the time of a call, and may show the next one's in the same memory.
func Lent(name, dtype string, shape []int, lend func(use func(data []byte) error) error) Tensor {
	return Tensor{Name: name, DType: dtype, Shape: shape, lend: lend}
}

// Checked is a tensor whose Data is compared with what was written, by check, each time before it is used.
func (t Tensor) Checked(check func() error) Tensor {
	t.check = check
	return t
}

// Bytes is the data, made or copied now where it has to be.
func (t Tensor) Bytes() (data []byte, err error) {
	switch {
	case t.build != nil:
		return t.build()
	case t.lend != nil:
		err = t.lend(func(lent []byte) error {
			data = bytes.Clone(lent)
			return nil
		})
		return data, err
	case t.check != nil:
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return t.Data, nil
}

// Use gives the data to use, which must not keep it: one tensor after the other, a whole model passes through the memory of its largest.
func (t Tensor) Use(use func(data []byte) error) error {
	if t.lend != nil {
		return t.lend(use)
	}
	data, err := t.Bytes()
	if err != nil {
		return err
	}
	return use(data)
}

// NumBytes is how many bytes the data has, or will have.
func (t Tensor) NumBytes() int { return ElementSize(t.DType) * t.Size() }

// Check tells whether data that is there already is as long as type and shape say.
func (t Tensor) Check() error {
	if there := t.build == nil && t.lend == nil; ElementSize(t.DType) == 0 || there && len(t.Data) != t.NumBytes() {
		return fmt.Errorf("tensor %q: %d bytes do not make %v of %s", t.Name, len(t.Data), t.Shape, t.DType)
	}
	return nil
}

// Materialized is t with Data set.
func (t Tensor) Materialized() (Tensor, error) {
	data, err := t.Bytes()
	return t.With(data), err
}

// With is t with these bytes.
func (t Tensor) With(data []byte) Tensor {
	t.Data, t.build, t.lend, t.check = data, nil, nil, nil
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
	return Lazy(name, first.DType, shape, func() ([]byte, error) {
		var all []byte
		for _, p := range parts {
			if err := p.Use(func(data []byte) error {
				all = append(all, data...)
				return nil
			}); err != nil {
				return nil, err
			}
		}
		return all, nil
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
	if t.build != nil || t.lend != nil {
		return Lent(name, t.DType, shape, func(use func([]byte) error) error {
			return t.Use(func(data []byte) error { return use(data[i*n : (i+1)*n]) })
		}), nil
	}
	return Tensor{Name: name, DType: t.DType, Shape: shape, Data: t.Data[i*n : (i+1)*n], check: t.check}, nil
}

// Transpose swaps the two axes of a matrix: [in,out] to [out,in].
func Transpose(name string, t Tensor) (Tensor, error) {
	if len(t.Shape) != 2 {
		return Tensor{}, fmt.Errorf("%w: %s has shape %v, want a matrix", ErrFormat, t.Name, t.Shape)
	}
	rows, cols := t.Shape[0], t.Shape[1]
	return Lazy(name, t.DType, []int{cols, rows}, func() (out []byte, err error) {
		err = t.Use(func(in []byte) error {
			if len(in) != t.NumBytes() {
				return fmt.Errorf("%w: %s has %d bytes, want %d", ErrFormat, t.Name, len(in), t.NumBytes())
			}
			out = make([]byte, len(in))
			if len(in) == 0 {
				return nil // a matrix with an axis of 0 has no bytes, and its other axis may be of any length: the loops would not end
			}
			switch ElementSize(t.DType) {
			case 1:
				swapAxes[[1]byte](out, in, rows, cols)
			case 2:
				swapAxes[[2]byte](out, in, rows, cols)
			case 4:
				swapAxes[[4]byte](out, in, rows, cols)
			case 8:
				swapAxes[[8]byte](out, in, rows, cols)
			}
			return nil
		})
		return out, err
	}), nil
}

// blockRow is how many bytes wide the blocks are in which axes are swapped. Lines of the cache that are as far apart as rows of a matrix often take each
// other's places, as there are eight for them: 64 float32 a row made it slower than no blocks, 8 twice as fast.
const blockRow = 32

// swapAxes transposes values of type E, an array of bytes, which may therefore lie at any address.
func swapAxes[E any](to, from []byte, rows, cols int) {
	out := unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(to))), rows*cols)
	in := unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(from))), rows*cols)
	side := blockRow / int(unsafe.Sizeof(*new(E)))
	for top := 0; top < rows; top += side {
		bottom := min(top+side, rows)
		for left := 0; left < cols; left += side {
			for j := left; j < min(left+side, cols); j++ {
				column := out[j*rows+top : j*rows+bottom]
				for i := range column {
					column[i] = in[(top+i)*cols+j]
				}
			}
		}
	}
}
