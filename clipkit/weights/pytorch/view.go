package pytorch

import (
	"fmt"
	"math"
	"math/bits"

	"clipnb/clipkit/weights/tensor"
)

// storage is a run of numbers in the file. A tensor of PyTorch is a view of one, by offset, shape and strides; several may share it.
type storage struct {
	dtype string
	numel int
	data  []byte       // in a legacy container nil until the pickle has been read
	check func() error // whether the data are as they were written; nil where the container does not tell
	base  *storage     // of which this is a part, nil for a whole one; in legacy containers only
	skip  int          // elements of base before the part
}

// view is a tensor as the pickle describes it. Nothing is checked against the storage yet: in legacy containers that follows the pickle.
type view struct {
	*storage
	dtype  string
	offset int // elements
	shape  []int
	stride []int // elements
}

// unpacker makes tensors of views. left is how many bytes may still be promised to views that are not contiguous: a stride of 0 would make
// a terabyte out of one number.
type unpacker struct{ left int }

func (u *unpacker) tensor(name string, v *view) (tensor.Tensor, error) {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("tensor %.100q: %w", name, fmt.Errorf(format, a...))
	}
	data, size := v.bytes(), tensor.ElementSize(v.dtype)
	t := tensor.Tensor{Name: name, DType: v.dtype, Shape: v.shape}
	numel, last, ok := v.extent()
	if !ok {
		return tensor.Tensor{}, bad("shape %v with strides %v from element %d overflows", v.shape, v.stride, v.offset)
	}
	if numel == 0 {
		return t, nil
	}
	if last >= len(data)/size {
		return tensor.Tensor{}, bad("shape %v with strides %v from element %d needs %d elements, its storage has %d", v.shape, v.stride, v.offset, uint64(last)+1, len(data)/size)
	}
	if v.contiguous() {
		t.Data = data[v.offset*size:][: numel*size : numel*size]
		return t.Checked(v.check), nil
	}
	if numel > u.left/size {
		return tensor.Tensor{}, bad("shape %v with strides %v would unpack to more than the file's size", v.shape, v.stride)
	}
	u.left -= numel * size
	return tensor.Lazy(name, v.dtype, v.shape, func() ([]byte, error) {
		if v.check != nil {
			if err := v.check(); err != nil {
				return nil, bad("%w", err)
			}
		}
		return v.gather(data, numel, size), nil
	}), nil
}

func (s *storage) bytes() []byte {
	if s.base == nil {
		return s.data
	}
	size := tensor.ElementSize(s.dtype)
	return s.base.data[s.skip*size:][:s.numel*size]
}

// extent is the number of elements and the position of the last one in the storage; ok is false when they overflow.
func (v *view) extent() (numel, last int, ok bool) {
	n, end := uint64(1), uint64(v.offset)
	empty := false
	for i, d := range v.shape {
		if d == 0 {
			empty = true
			continue
		}
		hi, step := bits.Mul64(uint64(d-1), uint64(v.stride[i]))
		sum, carry := bits.Add64(end, step, 0)
		hi2, product := bits.Mul64(n, uint64(d))
		if hi != 0 || carry != 0 || hi2 != 0 || sum > math.MaxInt64 || product > math.MaxInt64/8 {
			return 0, 0, false
		}
		n, end = product, sum
	}
	if empty {
		return 0, 0, true
	}
	return int(n), int(end), true
}

// contiguous tells whether the elements lie in row-major order without gaps. The stride of an axis of length 1 does not matter.
func (v *view) contiguous() bool {
	want := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.stride[i] != want {
			return false
		}
		want *= v.shape[i]
	}
	return true
}

// gather copies the elements in row-major order.
func (v *view) gather(data []byte, numel, size int) []byte {
	out := make([]byte, 0, numel*size)
	index := make([]int, len(v.shape))
	at := v.offset
	for range numel {
		out = append(out, data[at*size:][:size]...)
		for axis := len(index) - 1; axis >= 0; axis-- {
			index[axis]++
			at += v.stride[axis]
			if index[axis] < v.shape[axis] {
				break
			}
			at -= index[axis] * v.stride[axis]
			index[axis] = 0
		}
	}
	return out
}
