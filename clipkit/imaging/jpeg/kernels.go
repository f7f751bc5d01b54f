package jpeg

// #cgo CFLAGS: -O3
// #cgo noescape idct_row
// #cgo nocallback idct_row
// #cgo noescape upsample
// #cgo nocallback upsample
// #cgo noescape ycc_rgb
// #cgo nocallback ycc_rgb
// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// The functions of kernels.c behind checks of every length, so that no argument makes them touch memory outside the slices.

// must stops before C would reach beyond a slice. A failure is a mistake in this package.
func must(ok bool, what string, sizes ...int) {
	if !ok {
		panic(fmt.Sprintf("jpeg: %s: slices too short for %v", what, sizes))
	}
}

func bytePointer(b []byte) *C.uint8_t   { return (*C.uint8_t)(unsafe.SliceData(b)) }
func int32Pointer(s []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(s)) }

// inverseDCT turns a row of blocks of coefficients, [blocks, 64] in natural order, into 8 rows of samples, stride apart.
func inverseDCT(coefficients []int16, quant *[64]uint16, out []byte, stride int) {
	blocks := len(coefficients) / 64
	must(blocks*8 <= stride && 7*stride+8*blocks <= len(out), "inverse DCT", blocks, stride, len(out))
	C.idct_row((*C.int16_t)(unsafe.SliceData(coefficients)), (*C.uint16_t)(&quant[0]), C.size_t(blocks), bytePointer(out), C.size_t(stride))
}

// plane is one channel of a picture.
type plane struct {
	pix                   []byte
	stride, width, height int
}

// from is the plane below the first rows.
func (p plane) from(row int) plane {
	return plane{pix: p.pix[row*p.stride:], stride: p.stride, width: p.width, height: p.height - row}
}

func (p plane) covers(w, h int) bool {
	return w >= 1 && h >= 1 && p.stride >= w && p.width >= w && p.height >= h && (h-1)*p.stride+w <= len(p.pix)
}

// upsample stretches a plane by whole factors to w × h samples as libjpeg does by default.
func (p plane) upsample(across, down, w, h int) plane {
	if across == 1 && down == 1 {
		return p
	}
	must(p.width >= ceilDiv(w, across) && p.height >= ceilDiv(h, down) && p.covers(p.width, p.height), "chroma", w, h, across, down)
	out := plane{pix: make([]byte, w*h), stride: w, width: w, height: h}
	sums := make([]int32, p.width+2)
	C.upsample(bytePointer(p.pix), C.size_t(p.stride), C.int(p.width), C.int(p.height), C.int(across), C.int(down),
		bytePointer(out.pix), C.int(w), C.int(h), int32Pointer(sums))
	return out
}

// yccRGB converts the channels of a JPEG to RGB bytes.
func yccRGB(y, cb, cr plane, w, h int) []byte {
	must(y.covers(w, h) && cb.covers(w, h) && cr.covers(w, h), "YCbCr", w, h)
	out := make([]byte, 3*w*h)
	C.ycc_rgb(bytePointer(y.pix), C.size_t(y.stride), bytePointer(cb.pix), C.size_t(cb.stride), bytePointer(cr.pix), C.size_t(cr.stride),
		C.int(w), C.int(h), bytePointer(out))
	return out
}
