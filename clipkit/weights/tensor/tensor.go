// Package tensor holds named arrays as weights files store them: what every format below weights reads into and writes from.
//
//	t := tensor.F32("visual.proj", []int{768, 512}, values) // views values
//	t.Size()                                                // 393216 elements
//	values, err := t.Float32()                              // from any of the types that weights come in
//	k, err := tensor.Third("self_attn.k_proj.weight", inProj, 1)
//
// A tensor's Data is what lies in the file. Join, Third and Transpose describe a tensor that lies there in
// another form, and Lent one that lies elsewhere, on a device for one; its bytes are made when Bytes or Use is called, so that a model of 3.6 GB
// never has a second copy in memory.
//
// ErrFormat is wrapped by every reader for a file that is damaged, or not what it seems; OtherKind tells what such a file is instead.
package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/x448/float16"
)

// ErrFormat is wrapped when a file is not what its name says, or is damaged.
var ErrFormat = errors.New("weights: not a valid weights file")

// MaxCount is how many tensors a file may have. The largest models have some ten thousand; a file may name millions of empty ones.
const MaxCount = 100_000

var elementSize = map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

// ElementSize is the number of bytes of one value of a type that weights come in, 0 for any other type.
func ElementSize(dtype string) int { return elementSize[dtype] }

// Tensor is a named array: row-major, little-endian. Data may be a part of a file in memory: it is not to be changed.
type Tensor struct {
	Name  string
	DType string // "F32", "F16", "BF16", "F64", "I64", "I32", "I16", "I8", "U8", "BOOL"
	Shape []int
	Data  []byte // nil while only a recipe for it is known (Lazy, Lent): Materialized has it

	build func() ([]byte, error)
	lend  func(use func(data []byte) error) error
	check func() error // whether Data is as it was written
}

// Size is the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32 converts the values; integers and float64 are rounded to the nearest float32. The result is the caller's own.
func (t Tensor) Float32() ([]float32, error) {
	var out []float32
	err := t.Use(func(data []byte) (err error) {
		out, err = t.float32(data)
		return err
	})
	return out, err
}

func (t Tensor) float32(data []byte) ([]float32, error) {
	out := make([]float32, t.Size())
	le := binary.LittleEndian
	if t.DType == "F32" {
		copy(bytesOf(out), data)
		return out, nil
	}
	for i := range out {
		switch t.DType {
		case "F64":
			out[i] = float32(math.Float64frombits(le.Uint64(data[8*i:])))
		case "F16":
			out[i] = float16.Frombits(le.Uint16(data[2*i:])).Float32()
		case "BF16":
			out[i] = bfloat16.BFloat16(le.Uint16(data[2*i:])).Float32()
		case "I64":
			out[i] = float32(int64(le.Uint64(data[8*i:])))
		case "I32":
			out[i] = float32(int32(le.Uint32(data[4*i:])))
		default:
			return nil, fmt.Errorf("tensor %q is %s, which holds no weights", t.Name, t.DType)
		}
	}
	return out, nil
}

// bytesOf views float32 values as the bytes in which they lie in memory: little-endian on every platform that the engines run on.
func bytesOf(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}

// F32 makes a tensor of float32 values, which it views.
func F32(name string, shape []int, values []float32) Tensor {
	return Tensor{Name: name, DType: "F32", Shape: shape, Data: bytesOf(values)}
}

// F16 makes a tensor of half-precision values, rounded to nearest even.
func F16(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 2*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint16(data[2*i:], float16.Fromfloat32(v).Bits())
	}
	return Tensor{Name: name, DType: "F16", Shape: shape, Data: data}
}

// BF16 makes a tensor of bfloat16 values, rounded to nearest even.
func BF16(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 2*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(bfloat16.FromFloat32(v)))
	}
	return Tensor{Name: name, DType: "BF16", Shape: shape, Data: data}
}

// I64 makes a scalar of one integer.
func I64(name string, value int64) Tensor {
	return Tensor{Name: name, DType: "I64", Data: binary.LittleEndian.AppendUint64(nil, uint64(value))}
}
