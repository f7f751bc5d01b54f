package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/x448/float16"
)

// dtypeSize in bytes, for the types that weights come in.
var dtypeSize = map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

// Tensor is a named array: row-major, little-endian. Data may point into a mapped file: it is not to be changed, and ends with the file's Close.
type Tensor struct {
	Name  string
	DType string // "F32", "F16", "BF16", "F64", "I64", "I32", "I16", "I8", "U8", "BOOL"
	Shape []int
	Data  []byte

	build func() []byte // makes Data when it does not lie in the file as it is needed: a transposed or joined tensor
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
	out := make([]float32, t.Size())
	le := binary.LittleEndian
	if t.DType == "F32" {
		copy(bytesOf(out), t.Data)
		return out, nil
	}
	for i := range out {
		switch t.DType {
		case "F64":
			out[i] = float32(math.Float64frombits(le.Uint64(t.Data[8*i:])))
		case "F16":
			out[i] = float16.Frombits(le.Uint16(t.Data[2*i:])).Float32()
		case "BF16":
			out[i] = bfloat16.BFloat16(le.Uint16(t.Data[2*i:])).Float32()
		case "I64":
			out[i] = float32(int64(le.Uint64(t.Data[8*i:])))
		case "I32":
			out[i] = float32(int32(le.Uint32(t.Data[4*i:])))
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
