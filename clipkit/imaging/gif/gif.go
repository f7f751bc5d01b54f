// Package gif decodes the first frame of a GIF to Pillow's pixels (GifImagePlugin.py, GifDecode.c).
//
//	width, height, err := gif.DecodeConfig(encoded)      // to be held to a limit
//	p, err := gif.Decode(encoded)
//
// The picture is the screen, grown where the frame reaches out of it, and filled with the transparent colour around the frame, or with colour 0. A
// palette that is a plain grey scale, or none, gives mode L.
//
// The size in the header bounds the memory, at a byte a pixel. Pixels that are missing are an error.
package gif

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"clipnb/clipkit/imaging/raster"
)

// header is what lies before the first frame's pixels.
type header struct {
	width, height int
	colours       []byte // RGB triples; nil: grey
	transparent   byte
	left, top     int // the frame
	w, h          int
	interlaced    bool
	bits          int    // of a colour
	data          []byte // the compressed pixels, and all that follows
}

// DecodeConfig reads the header alone.
func DecodeConfig(encoded []byte) (width, height int, err error) {
	h, err := readHeader(encoded)
	return h.width, h.height, err
}

func readHeader(b []byte) (h header, err error) {
	short := fmt.Errorf("%w before the first frame", raster.ErrTruncated)
	if len(b) < 13 {
		return h, short
	}
	h.width, h.height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	table := func(flags byte) error {
		if flags&0x80 == 0 {
			return nil
		}
		n := 3 << (flags&7 + 1)
		if len(b) < n {
			return short
		}
		if h.colours, b = b[:n], b[n:]; raster.IsGreyScale(h.colours) {
			h.colours = nil
		}
		return nil
	}
	flags := b[10]
	b = b[13:]
	if err := table(flags); err != nil {
		return h, err
	}
	for len(b) > 0 {
		switch b[0] {
		case ',':
			if len(b) < 11 {
				return h, short
			}
			h.left, h.top = int(binary.LittleEndian.Uint16(b[1:])), int(binary.LittleEndian.Uint16(b[3:]))
			h.w, h.h = int(binary.LittleEndian.Uint16(b[5:])), int(binary.LittleEndian.Uint16(b[7:]))
			h.width, h.height = max(h.width, h.left+h.w), max(h.height, h.top+h.h)
			flags := b[9]
			h.interlaced = flags&0x40 != 0
			b = b[10:]
			if err := table(flags); err != nil {
				return h, err
			}
			if len(b) == 0 {
				return h, short
			}
			h.bits, h.data = int(b[0]), b[1:]
			return h, nil
		case '!': // extension: label, then blocks that each begin with their length, until an empty one
			const graphicControl = 0xf9
			if len(b) > 6 && b[1] == graphicControl && b[2] >= 4 && b[3]&1 != 0 {
				h.transparent = b[6]
			}
			b = b[min(len(b), 2):]
			for len(b) > 0 && b[0] != 0 {
				b = b[min(len(b), 1+int(b[0])):]
			}
		case ';':
			return h, errors.New("it has no frame")
		}
		b = b[min(len(b), 1):]
	}
	return h, short
}

// Decode reads a picture, whose size the caller has found acceptable (DecodeConfig).
func Decode(encoded []byte) (*raster.Picture, error) {
	h, err := readHeader(encoded)
	if err != nil {
		return nil, err
	}
	if h.w < 1 || h.h < 1 {
		return nil, fmt.Errorf("a frame of %d × %d pixels", h.w, h.h)
	}
	if h.bits > maxBits {
		return nil, fmt.Errorf("colours of %d bits", h.bits)
	}
	p := &raster.Picture{Mode: raster.Grey, Width: h.width, Height: h.height, Pix: bytes.Repeat([]byte{h.transparent}, h.width*h.height)}
	if h.colours != nil {
		p.Mode, p.Palette = raster.Palette, make([]byte, 3*256)
		copy(p.Palette, h.colours)
	}
	return p, h.decompress(p)
}

// rows gives the frame's rows in the order of the file.
func (h header) rows() []int {
	var rows []int
	if !h.interlaced {
		for y := range h.h {
			rows = append(rows, y)
		}
		return rows
	}
	for _, pass := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		for y := pass[0]; y < h.h; y += pass[1] {
			rows = append(rows, y)
		}
	}
	return rows
}
