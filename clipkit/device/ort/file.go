package ort

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// File is an ONNX file that was not made by this package, loaded with a backend's provider. The shapes of its inputs may differ from run to run.
// It stays usable after the backend's Finalize, until Close.
type File struct {
	backend *Backend
	path    string

	mu      sync.Mutex // guards session against Close
	session *C.OrtSession
}

// OpenFile loads a model and, from beside it, what it names as its external data.
func (b *Backend) OpenFile(path string) (*File, error) {
	at, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", path, err)
	}
	cp, free := b.Provider.c()
	defer free()
	name := C.CString(at)
	defer C.free(unsafe.Pointer(name))
	f := &File{backend: b, path: path}
	C.ort_hush()
	if err := check(fmt.Sprintf("loading %s with %s", path, b.provider()), C.ort_session(unsafe.Pointer(name), 0, cp, &f.session)); err != nil {
		return nil, err
	}
	b.uses.Add(1)
	return f, nil
}

// Run computes one output of the given shape from one input, both by their names in the file.
func (f *File) Run(input string, in compute.Buffer, output string, want shapes.Shape) (compute.Buffer, error) {
	x, ok := in.(*buffer)
	if !ok || x.backend != f.backend {
		return nil, fmt.Errorf("running %s: the input is no buffer of this device", f.path)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.session == nil {
		return nil, fmt.Errorf("running %s: it was closed", f.path)
	}
	names := cNames([]string{input, output})
	defer freeNames(names)
	inNames, outNames := cArray(names[:1]), cArray(names[1:])
	defer C.free(unsafe.Pointer(inNames))
	defer C.free(unsafe.Pointer(outNames))
	var out *C.OrtValue
	err := x.with(func(v *C.OrtValue) error {
		values := cArray([]*C.OrtValue{v, nil})
		defer C.free(unsafe.Pointer(values))
		both := unsafe.Slice(values, 2)
		C.ort_hush()
		status := C.ort_run(f.session, f.backend.memory, inNames, &both[0], 1, outNames, &both[1], 1)
		if err := check(fmt.Sprintf("running %s with %s", f.path, f.backend.provider()), status); err != nil {
			return err
		}
		out = both[1]
		return nil
	})
	runtime.KeepAlive(in)
	if err != nil {
		return nil, err
	}
	y := f.backend.newBuffer(out, want)
	if err := shaped(out, want); err != nil {
		_ = y.Finalize()
		return nil, fmt.Errorf("running %s: %s: %w", f.path, output, err)
	}
	return y, nil
}

// shaped compares a value with what it is to be.
func shaped(v *C.OrtValue, want shapes.Shape) error {
	var dims [8]C.int64_t
	var kind C.int
	rank := C.size_t(len(dims))
	if err := check("asking for a shape", C.ort_shape(v, &kind, &dims[0], &rank)); err != nil {
		return err
	}
	same := kind == elementTypes[want.DType] && int(rank) == want.Rank()
	for i := 0; same && i < want.Rank(); i++ {
		same = int(dims[i]) == want.Dim(i)
	}
	if !same {
		return fmt.Errorf("%w: it is of type %d and shape %v, expected %s", ErrSession, kind, dims[:rank], want)
	}
	return nil
}

// Close frees the model.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.session == nil {
		return
	}
	C.ort_release_session(f.session)
	f.session = nil
	f.backend.release()
}
