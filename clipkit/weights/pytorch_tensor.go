package weights

import (
	"fmt"
	"math"
	"math/bits"
)

// A tensor of PyTorch is a view of a storage, by offset, shape and strides; several may share one storage.

type storage struct {
	dtype string
	numel int
	data  []byte // of a legacy container: set when the pickle is read
	base  *storage
	skip  int // elements of base before it
}

// view is a tensor as the pickle describes it, before its storage is looked at: legacy containers keep storages behind the pickle.
type view struct {
	*storage
	dtype  string
	offset int // elements
	shape  []int
	stride []int // elements
}

// viewer makes tensors of views. left bounds the bytes of those that do not lie contiguously in the file: a stride of 0 makes a terabyte
// out of one number.
type viewer struct{ left int }

func (vs *viewer) tensor(name string, v *view) (Tensor, error) {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("tensor %.100q: %s", name, fmt.Sprintf(format, a...))
	}
	data, size := v.bytes(), dtypeSize[v.dtype]
	t := Tensor{Name: name, DType: v.dtype, Shape: v.shape}
	numel, last, ok := v.extent()
	if !ok {
		return Tensor{}, bad("shape %v with strides %v from element %d overflows", v.shape, v.stride, v.offset)
	}
	if numel == 0 {
		return t, nil
	}
	if last >= len(data)/size {
		return Tensor{}, bad("shape %v with strides %v from element %d needs %d elements, its storage has %d", v.shape, v.stride, v.offset, uint64(last)+1, len(data)/size)
	}
	if v.contiguous() {
		t.Data = data[v.offset*size:][: numel*size : numel*size]
		return t, nil
	}
	if numel > vs.left/size {
		return Tensor{}, bad("shape %v with strides %v would unpack to more than the file's size", v.shape, v.stride)
	}
	vs.left -= numel * size
	t.build = func() []byte { return v.gather(data, numel, size) }
	return t, nil
}

// bytes of the storage; a legacy storage may be a part of another.
func (s *storage) bytes() []byte {
	if s.base == nil {
		return s.data
	}
	size := dtypeSize[s.dtype]
	return s.base.data[s.skip*size:][:s.numel*size]
}

// extent is the number of elements and the position of the last one in the storage.
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

// contiguous: row-major without gaps. Strides of axes of length 1 mean nothing.
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
