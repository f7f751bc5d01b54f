package ort

// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

var (
	errFinalized = errors.New("the buffer was finalized")
	errNotShared = errors.New("the device's memory is not the host's")
)

// buffer is a tensor in the device's memory.
type buffer struct {
	backend *Backend
	shape   shapes.Shape

	mu    sync.Mutex
	value *C.OrtValue // nil = finalized
}

var _ compute.Buffer = (*buffer)(nil)

func (x *buffer) Backend() compute.Backend              { return x.backend }
func (x *buffer) Shape() (shapes.Shape, error)          { return x.shape, nil }
func (x *buffer) DeviceNum() (compute.DeviceNum, error) { return 0, nil }

func (x *buffer) Finalize() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.value != nil {
		C.ort_release_value(x.backend.memory, x.value)
		x.value = nil
		x.backend.release()
	}
	return nil
}

// with calls fn with the value while it cannot be freed.
func (x *buffer) with(fn func(v *C.OrtValue) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.value == nil {
		return errFinalized
	}
	return fn(x.value)
}

func (x *buffer) copyIn(flat any) error     { return x.copy(flat, 1) }
func (x *buffer) ToFlatData(flat any) error { return x.copy(flat, 0) }

func (x *buffer) copy(flat any, in C.int) error {
	if t := reflect.TypeOf(flat); t == nil || t.Kind() != reflect.Slice || dtypes.FromGoType(t.Elem()) != x.shape.DType {
		return fmt.Errorf("copying %T, the buffer is %s", flat, x.shape)
	}
	host := dtypes.UnsafeByteSliceFromAny(flat)
	if int64(len(host)) != x.shape.ByteSize() {
		return fmt.Errorf("copying %d bytes, the buffer is %s of %d", len(host), x.shape, x.shape.ByteSize())
	}
	return x.with(func(v *C.OrtValue) error {
		C.ort_hush()
		p, dims, rank := unsafe.Pointer(unsafe.SliceData(host)), int64s(x.shape.Dimensions), C.size_t(x.shape.Rank())
		return check("copying "+x.shape.String(), C.ort_copy(x.backend.memory, in, v, p, C.size_t(len(host)), dims, rank, elementTypes[x.shape.DType]))
	})
}

// Data is the memory itself, where programs may touch it.
func (x *buffer) Data() (flat any, err error) {
	if !x.backend.HasSharedBuffers() {
		return nil, errNotShared
	}
	err = x.with(func(v *C.OrtValue) error {
		var p unsafe.Pointer
		if err := check("reading a buffer's address", C.ort_data(v, &p)); err != nil {
			return err
		}
		flat = dtypes.UnsafeAnySliceFromBytes(p, x.shape.DType, x.shape.Size())
		return nil
	})
	return flat, err
}

// Address is where the tensor lies in the device's memory, until the buffer is finalized. Where that is not the host's, only the device's own
// libraries can do something with it.
func (x *buffer) Address() (at uintptr, err error) {
	err = x.with(func(v *C.OrtValue) error {
		var p unsafe.Pointer
		err := check("asking for a tensor's address", C.ort_data(v, &p))
		at = uintptr(p)
		return err
	})
	return at, err
}

func (x *buffer) CopyToDevice(n compute.DeviceNum) (compute.Buffer, error) {
	flat := dtypes.MakeAnySlice(x.shape.DType, x.shape.Size())
	if err := x.ToFlatData(flat); err != nil {
		return nil, err
	}
	return x.backend.BufferFromFlatData(n, flat, x.shape)
}
