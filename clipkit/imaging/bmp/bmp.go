// Package bmp decodes Windows and OS/2 bitmaps to Pillow's pixels (BmpImagePlugin.py): headers of 12 to 124 bytes, 1, 4, 8, 16, 24 and 32 bits, run
// lengths of 4 and 8 bits, the bit fields that programs write.
//
//	width, height, err := bmp.DecodeConfig(encoded)      // to be held to a limit
//	p, err := bmp.Decode(encoded)
//
// Pixels without compression must all lie in the file, so the file bounds the memory. Run lengths may leave out pixels; the size in the header bounds
// it then, at a byte a pixel.
package bmp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"clipnb/clipkit/imaging/raster"
)

// Kinds of compression.
const (
	raw       = 0
	runs8     = 1
	runs4     = 2
	bitFields = 3
)

// header is what lies before the pixels.
type header struct {
	width, height int
	topDown       bool
	bits          int
	compression   uint32
	colours       int       // entries of the palette
	entry         int       // bytes of an entry, blue first
	masks         [4]uint32 // red, green, blue, alpha
	palette       []byte    // may be cut by the end of the file
	pixels        int       // where they begin
}

// DecodeConfig reads the header alone.
func DecodeConfig(encoded []byte) (width, height int, err error) {
	h, err := readHeader(encoded)
	return h.width, h.height, err
}

func readHeader(b []byte) (h header, err error) {
	if len(b) < 18 {
		return h, raster.ErrTruncated
	}
	offset, size := int(binary.LittleEndian.Uint32(b[10:])), int(binary.LittleEndian.Uint32(b[14:]))
	if size > len(b)-14 {
		return h, raster.ErrTruncated
	}
	info := b[14 : 14+size]
	at := 14 + size
	switch size {
	case 12:
		h.width, h.height = int(binary.LittleEndian.Uint16(info[4:])), int(binary.LittleEndian.Uint16(info[6:]))
		h.bits, h.entry = int(binary.LittleEndian.Uint16(info[10:])), 3
	case 40, 52, 56, 64, 108, 124:
		tall := binary.LittleEndian.Uint32(info[8:])
		if h.topDown = info[11] == 0xff; h.topDown {
			tall = -tall
		}
		h.width, h.height = int(binary.LittleEndian.Uint32(info[4:])), int(tall)
		h.bits, h.entry = int(binary.LittleEndian.Uint16(info[14:])), 4
		h.compression, h.colours = binary.LittleEndian.Uint32(info[16:]), int(binary.LittleEndian.Uint32(info[32:]))
	default:
		return h, fmt.Errorf("%w: a bitmap with a header of %d bytes", raster.ErrUnsupported, size)
	}
	if h.compression == bitFields {
		masks := info[min(size, 40):]
		if size < 52 { // the masks lie behind a short header
			if len(b) < at+12 {
				return h, raster.ErrTruncated
			}
			masks, at = b[at:at+12], at+12
		}
		for i := range min(len(masks)/4, len(h.masks)) {
			h.masks[i] = binary.LittleEndian.Uint32(masks[4*i:])
		}
	}
	switch h.bits {
	case 1, 4, 8, 16, 24, 32:
	default:
		return h, fmt.Errorf("%w: a bitmap of %d bits a pixel", raster.ErrUnsupported, h.bits)
	}
	if h.colours == 0 {
		h.colours = 1 << h.bits
	}
	if h.bits <= 8 {
		if h.colours > 1<<16 {
			return h, fmt.Errorf("a palette of %d colours", h.colours)
		}
		if offset == 14+size { // some programs forget the palette
			offset += h.entry * h.colours
		}
		h.palette = b[at:min(len(b), at+h.entry*h.colours)]
		at += len(h.palette)
	}
	if h.pixels = offset; offset == 0 {
		h.pixels = at
	}
	return h, nil
}

// Decode reads a picture, whose size the caller has found acceptable (DecodeConfig).
func Decode(encoded []byte) (*raster.Picture, error) {
	h, err := readHeader(encoded)
	if err != nil {
		return nil, err
	}
	mode, order, err := h.layout()
	if err != nil {
		return nil, err
	}
	data := encoded[min(len(encoded), h.pixels):]
	stride, bits, scale := (h.width*h.bits+31)/32*4, h.bits, byte(1)
	switch {
	case h.compression == runs8 || h.compression == runs4:
		if data, err = h.runs(data); err != nil {
			return nil, err
		}
		if stride, bits = h.width, 8; mode == raster.Bilevel {
			for i, v := range data {
				data[i] = min(v, 1) * 255
			}
		}
	case mode == raster.Bilevel: // one bit a pixel whatever the header says: so Pillow understands a palette of black and white
		bits, scale = 1, 255
	case mode == raster.Grey:
		bits = 8
	}
	row := (h.width*bits + 7) / 8
	if row > stride {
		return nil, fmt.Errorf("%w: a grey scale of %d bits a pixel", raster.ErrUnsupported, h.bits)
	}
	if (h.height-1)*stride+row > len(data) {
		return nil, fmt.Errorf("%w: %d bytes of pixels, want %d", raster.ErrTruncated, len(data), (h.height-1)*stride+row)
	}
	p := raster.New(mode, h.width, h.height)
	for y := range h.height {
		dst := p.Row(h.height - 1 - y)
		if h.topDown {
			dst = p.Row(y)
		}
		if src := data[y*stride:][:row]; order != nil {
			order(dst, src)
		} else {
			raster.Unpack(dst, src, bits, scale)
		}
	}
	if mode == raster.Palette {
		if len(h.palette)/h.entry > 256 {
			return nil, fmt.Errorf("a palette of %d colours", h.colours)
		}
		for i := range len(h.palette) / h.entry {
			bgr := h.palette[h.entry*i:]
			p.Palette[3*i], p.Palette[3*i+1], p.Palette[3*i+2] = bgr[2], bgr[1], bgr[0]
		}
	}
	return p, nil
}

// layout is the mode, and for pictures without a palette what turns a row of the file into pixels.
func (h header) layout() (raster.Mode, func(dst, src []byte), error) {
	switch h.compression {
	case raw, bitFields:
	case runs8, runs4:
		if h.bits > 8 {
			return "", nil, fmt.Errorf("%w: run lengths in a bitmap of %d bits a pixel", raster.ErrUnsupported, h.bits)
		}
	default:
		return "", nil, fmt.Errorf("%w: a bitmap of compression %d", raster.ErrUnsupported, h.compression)
	}
	if h.bits <= 8 {
		if h.compression == bitFields {
			return "", nil, fmt.Errorf("%w: bit fields in a bitmap of %d bits a pixel", raster.ErrUnsupported, h.bits)
		}
		mode := raster.Palette
		if h.greyScale() {
			if mode = raster.Grey; h.colours <= 2 {
				mode = raster.Bilevel
			}
		}
		return mode, nil, nil
	}
	masks := h.masks
	if h.compression == raw {
		masks = map[int][4]uint32{16: {0x7c00, 0x3e0, 0x1f}, 24: {0xff0000, 0xff00, 0xff}, 32: {0xff0000, 0xff00, 0xff}}[h.bits]
	}
	if h.bits < 32 {
		masks[3] = 0
	} else if masks == [4]uint32{} {
		masks = [4]uint32{0xff0000, 0xff00, 0xff, 0xff000000}
	}
	if h.bits == 16 {
		for _, known := range [][4]uint32{{0xf800, 0x7e0, 0x1f}, {0x7c00, 0x3e0, 0x1f}} {
			if masks == known {
				return raster.RGB, highColour(masks), nil
			}
		}
	}
	for _, known := range knownMasks {
		if masks == known && h.bits >= 24 && (h.bits == 32 || known == knownMasks[0]) {
			return bytesOf(masks, h.bits/8)
		}
	}
	return "", nil, fmt.Errorf("%w: bit fields %x of %d bits", raster.ErrUnsupported, h.masks, h.bits)
}

// knownMasks are the bit fields of 32 bits that Pillow reads (BmpImagePlugin.py, SUPPORTED); 24 bits have the first.
var knownMasks = [][4]uint32{
	{0xff0000, 0xff00, 0xff, 0},
	{0xff000000, 0xff0000, 0xff00, 0},
	{0xff000000, 0xff00, 0xff, 0},
	{0xff000000, 0xff0000, 0xff00, 0xff},
	{0xff, 0xff00, 0xff0000, 0xff000000},
	{0xff0000, 0xff00, 0xff, 0xff000000},
	{0xff000000, 0xff00, 0xff, 0xff0000},
}

// bytesOf takes whole bytes, in the order of the masks.
func bytesOf(masks [4]uint32, step int) (raster.Mode, func(dst, src []byte), error) {
	place := map[uint32]int{0xff: 0, 0xff00: 1, 0xff0000: 2, 0xff000000: 3}
	mode, channels := raster.RGB, 3
	if masks[3] != 0 {
		mode, channels = raster.RGBA, 4
	}
	return mode, func(dst, src []byte) {
		for ; len(dst) > 0; dst, src = dst[channels:], src[step:] {
			for c := range channels {
				dst[c] = src[place[masks[c]]]
			}
		}
	}, nil
}

// highColour stretches 5 and 6 bits to bytes, rounding down as Pillow does (Unpack.c, ImagingUnpackBGR16).
func highColour(masks [4]uint32) func(dst, src []byte) {
	return func(dst, src []byte) {
		for ; len(dst) > 0; dst, src = dst[3:], src[2:] {
			v := uint32(binary.LittleEndian.Uint16(src))
			for c := range 3 {
				low := masks[c] & -masks[c]
				dst[c] = byte(v & masks[c] / low * 255 / (masks[c] / low))
			}
		}
	}
}

// greyScale says whether the palette is the plain one of its length, which is then dropped; with two colours it is black and white.
func (h header) greyScale() bool {
	for i := range h.colours {
		want := i
		if h.colours == 2 {
			want = i * 255
		}
		if h.entry*i+3 > len(h.palette) || want > 255 {
			return false
		}
		for _, v := range h.palette[h.entry*i:][:3] {
			if int(v) != want {
				return false
			}
		}
	}
	return true
}

// runs undoes run-length coding: a byte a pixel, row after row from the bottom. What the file leaves out is 0 (BmpImagePlugin.py, BmpRleDecoder).
func (h header) runs(b []byte) ([]byte, error) {
	total := h.width * h.height
	out := make([]byte, 0, total) // growing would leave its smaller copies as garbage
	x := 0
	odd := h.pixels % 2 // absolute pixels end at an even place of the file
	at := 0
	for len(out) < total && at+2 <= len(b) {
		n, v := int(b[at]), b[at+1]
		at += 2
		if n > 0 {
			for i := range max(min(n, h.width-x), 0) {
				out = append(out, h.pixel(v, i))
			}
			x += max(min(n, h.width-x), 0)
			continue
		}
		switch v {
		case 0: // the end of a row
			out = append(out, make([]byte, (h.width-len(out)%h.width)%h.width)...)
			x = 0
		case 1: // the end of the picture
			at = len(b)
		case 2: // go on elsewhere
			if at+2 > len(b) {
				return nil, errors.New("run lengths that end too early")
			}
			out = append(out, make([]byte, min(total-len(out), int(b[at])+int(b[at+1])*h.width))...)
			at += 2
			x = len(out) % h.width
		default: // pixels as they are
			count := min(total-len(out), int(v))
			size := count
			if h.compression == runs4 {
				size = (count + 1) / 2
			}
			if at+size > len(b) {
				return nil, errors.New("run lengths that end too early")
			}
			for i := range count {
				byteAt := at + i
				if h.compression == runs4 {
					byteAt = at + i/2
				}
				out = append(out, h.pixel(b[byteAt], i))
			}
			at += size
			at += (at + odd) % 2
			x += int(v)
		}
	}
	if len(out) < total {
		return nil, fmt.Errorf("%w: run lengths of %d pixels, want %d", raster.ErrTruncated, len(out), total)
	}
	return out, nil
}

// pixel is number i of the pixels that a byte stands for: with 4 bits two in turns, the high bits first.
func (h header) pixel(v byte, i int) byte {
	switch {
	case h.compression == runs8:
		return v
	case i%2 == 0:
		return v >> 4
	}
	return v & 15
}
