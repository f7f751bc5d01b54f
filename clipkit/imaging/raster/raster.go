// Package raster is what the decoders of package imaging hand back: pixels in Pillow's own mode, and the errors that they share.
//
//	p := raster.New(raster.RGB, width, height)      // black
//	raster.Unpack(p.Row(0), packed, 4, 17)          // 4-bit levels, stretched to bytes
//
// Each decoder is a package of its own below imaging (bmp, gif, jpeg, png, pnm) with two functions: DecodeConfig reads the size, which the caller
// holds to a limit, and Decode the pixels.
package raster

import "errors"

// The errors of the decoders, for errors.Is; every other error means a damaged file.
var (
	ErrUnsupported = errors.New("a kind of file that is not read")
	ErrTruncated   = errors.New("the file is truncated")
)

// Mode says what the bytes of a pixel mean. The names are Pillow's.
type Mode string

// The modes of decoded pictures.
const (
	Bilevel   Mode = "1"    // one byte, 0 or 255
	Grey      Mode = "L"    // one byte
	GreyAlpha Mode = "LA"   // grey, alpha (not premultiplied)
	Palette   Mode = "P"    // an index into Picture.Palette
	RGB       Mode = "RGB"  // three bytes
	RGBA      Mode = "RGBA" // colour, alpha (not premultiplied)
	CMYK      Mode = "CMYK" // ink: 0 is none, 255 is full
	Grey16    Mode = "I;16" // two bytes, the low one first
	Int32     Mode = "I"    // four bytes, signed, the low one first
	Float32   Mode = "F"    // four bytes, the low one first
)

// Bytes is the size of a pixel.
func (m Mode) Bytes() int {
	switch m {
	case GreyAlpha, Grey16:
		return 2
	case RGB:
		return 3
	case RGBA, CMYK, Int32, Float32:
		return 4
	}
	return 1
}

// Picture is a decoded picture.
type Picture struct {
	Mode          Mode
	Width, Height int
	Pix           []byte // [Height, Width, bytes of the mode], rows without padding
	Palette       []byte // [256, 3] RGB, in mode Palette only
}

// New makes a picture of zeros.
func New(mode Mode, w, h int) *Picture {
	p := &Picture{Mode: mode, Width: w, Height: h, Pix: make([]byte, w*h*mode.Bytes())}
	if mode == Palette {
		p.Palette = make([]byte, 3*256)
	}
	return p
}

// Row is the bytes of a row.
func (p *Picture) Row(y int) []byte {
	n := p.Width * p.Mode.Bytes()
	return p.Pix[y*n:][:n]
}

// Unpack spreads numbers of 1, 2, 4 or 8 bits, the first in the highest bits, over the bytes of dst, each multiplied by scale. packed has enough.
func Unpack(dst, packed []byte, bits int, scale byte) {
	mask := byte(1<<bits - 1)
	for i := range dst {
		at := i * bits
		dst[i] = packed[at/8] >> (8 - bits - at%8) & mask * scale
	}
}

// IsGreyScale says whether entry i of the RGB triples is the grey level i, for all of them.
func IsGreyScale(triples []byte) bool {
	for i, v := range triples {
		if int(v) != i/3 {
			return false
		}
	}
	return true
}
