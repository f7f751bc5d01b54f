package imaging

// #cgo CFLAGS: -O3
// #cgo noescape resample_rows
// #cgo nocallback resample_rows
// #cgo noescape resample_columns
// #cgo nocallback resample_columns
// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// The functions of kernels.c behind checks of every length, so that no argument makes them touch memory outside the slices.

// must stops before C would reach beyond a slice. A failure is a mistake in this package; Decode turns it into an error.
func must(ok bool, what string, sizes ...int) {
	if !ok {
		panic(fmt.Sprintf("imaging: %s: slices too short for %v", what, sizes))
	}
}

func bytePointer(b []byte) *C.uint8_t   { return (*C.uint8_t)(unsafe.SliceData(b)) }
func int32Pointer(s []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(s)) }

// resampleRows resizes h rows of inW pixels of n bytes to outW pixels.
func resampleRows(src []byte, inW, h, n, outW int) []byte {
	t := bicubicTaps(inW, outW)
	must(n >= 1 && n <= 4 && inW*h*n <= len(src) && t.inside(inW, outW), "rows", inW, h, n, outW)
	dst := make([]byte, outW*h*n)
	scratch := make([]int16, 16*inW)
	C.resample_rows(bytePointer(src), C.int(inW), C.int(h), C.int(n), bytePointer(dst), C.int(outW), int32Pointer(t.first), int32Pointer(t.count),
		int32Pointer(t.fixed()), C.int(t.size), (*C.int16_t)(unsafe.SliceData(scratch)))
	return dst
}

// resampleColumns resizes inH rows of rowBytes bytes to outH rows.
func resampleColumns(src []byte, rowBytes, inH, outH int) []byte {
	t := bicubicTaps(inH, outH)
	must(rowBytes*inH <= len(src) && t.inside(inH, outH), "columns", rowBytes, inH, outH)
	dst := make([]byte, rowBytes*outH)
	C.resample_columns(bytePointer(src), C.size_t(rowBytes), bytePointer(dst), C.int(outH), int32Pointer(t.first), int32Pointer(t.count),
		int32Pointer(t.fixed()), C.int(t.size))
	return dst
}
