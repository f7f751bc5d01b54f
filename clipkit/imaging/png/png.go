// Package png decodes PNG to Pillow's pixels (PngImagePlugin.py, ZipDecode.c). Go's own decoder refuses files that Pillow reads: without an end, with a
// damaged checksum of it, with chunks in another order.
//
//	width, height, err := png.DecodeConfig(encoded)      // to be held to a limit
//	p, err := png.Decode(encoded)
//
// Of 16-bit colour only the high byte is kept. A transparent colour in an otherwise opaque picture is passed over, since conversion to RGB drops it. Of
// an animation it is the first frame. As in Pillow, checksums count before the pixels and nowhere else, and what follows the pixels is not looked at.
//
// A file of too few bytes for its pixels is refused before memory is asked for; a stream of pixels that ends too early is an error.
package png

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"clipnb/clipkit/imaging/raster"
)

// Signature begins every file.
const Signature = "\x89PNG\r\n\x1a\n"

// header is what lies before the pixels.
type header struct {
	width, height int
	format        format
	interlaced    bool
	palette       []byte
	x, y, w, h    int    // where the first frame lies, as an animation says; the whole picture otherwise
	rest          []byte // the file from the first chunk of pixels on
}

// format is a bit depth with a colour type.
type format struct{ depth, colourType byte }

// modes are Pillow's (_MODES).
var modes = map[format]raster.Mode{
	{1, 0}: raster.Bilevel, {2, 0}: raster.Grey, {4, 0}: raster.Grey, {8, 0}: raster.Grey, {16, 0}: raster.Grey16,
	{8, 2}: raster.RGB, {16, 2}: raster.RGB,
	{1, 3}: raster.Palette, {2, 3}: raster.Palette, {4, 3}: raster.Palette, {8, 3}: raster.Palette,
	{8, 4}: raster.GreyAlpha, {16, 4}: raster.RGBA,
	{8, 6}: raster.RGBA, {16, 6}: raster.RGBA,
}

// bits is the size of a pixel in the file.
func (f format) bits() int {
	return int(f.depth) * [...]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[f.colourType]
}

// DecodeConfig reads the header alone.
func DecodeConfig(encoded []byte) (width, height int, err error) {
	h, err := readHeader(encoded)
	return h.width, h.height, err
}

// chunk is one part of a file. Its data may be cut by the end of the file, and then it has no checksum.
type chunk struct {
	name     string
	data     []byte
	checksum []byte
	complete bool
}

// next reads a chunk.
func next(b []byte) (c chunk, rest []byte, err error) {
	if len(b) < 8 {
		return c, nil, raster.ErrTruncated
	}
	n := int(binary.BigEndian.Uint32(b))
	c.name, b = string(b[4:8]), b[8:]
	for _, letter := range []byte(c.name) {
		if !(letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z' || letter >= '0' && letter <= '9' || letter == '_') {
			return c, nil, fmt.Errorf("a chunk named %q", c.name)
		}
	}
	c.complete = n <= len(b)
	c.data, b = b[:min(n, len(b))], b[min(n, len(b)):]
	c.checksum = b[:min(4, len(b))]
	return c, b[len(c.checksum):], nil
}

func readHeader(b []byte) (h header, err error) {
	if len(b) < len(Signature) || string(b[:len(Signature)]) != Signature {
		return h, errors.New("not a PNG file")
	}
	var known, framed bool
	for b = b[len(Signature):]; ; {
		c, rest, err := next(b)
		if err != nil {
			return h, err
		}
		if c.name == "IDAT" || c.name == "fdAT" {
			if h.rest = b; !known {
				return h, errors.New("pixels before the header")
			}
			if _, ok := modes[h.format]; !ok {
				return h, fmt.Errorf("%w: a PNG of depth %d and colour type %d", raster.ErrUnsupported, h.format.depth, h.format.colourType)
			}
			if !framed {
				h.w, h.h = h.width, h.height
			}
			return h, nil
		}
		if !c.complete {
			return h, fmt.Errorf("chunk %s: %w", c.name, raster.ErrTruncated)
		}
		switch {
		case c.name == "IHDR" && len(c.data) >= 13:
			const largest = 1<<31 - 1
			w, ht := binary.BigEndian.Uint32(c.data), binary.BigEndian.Uint32(c.data[4:])
			if w > largest || ht > largest || c.data[11] != 0 {
				return h, fmt.Errorf("a header of %d × %d pixels and filter method %d", w, ht, c.data[11])
			}
			known, h.width, h.height = true, int(w), int(ht)
			h.format, h.interlaced = format{c.data[8], c.data[9]}, c.data[12] != 0
		case c.name == "PLTE" && modes[h.format] == raster.Palette:
			h.palette = c.data
		case c.name == "fcTL" && len(c.data) >= 26:
			at := func(i int) int { return int(binary.BigEndian.Uint32(c.data[i:])) }
			framed, h.w, h.h, h.x, h.y = true, at(4), at(8), at(12), at(16)
			if h.w < 1 || h.h < 1 || h.x+h.w > h.width || h.y+h.h > h.height {
				return h, fmt.Errorf("a frame of %d × %d at %d, %d in a picture of %d × %d", h.w, h.h, h.x, h.y, h.width, h.height)
			}
		case c.name == "IHDR", c.name == "fcTL":
			return h, fmt.Errorf("chunk %s of %d bytes", c.name, len(c.data))
		case c.name == "IEND":
			return h, errors.New("it has no pixels")
		}
		if sum := crc32.Update(crc32.ChecksumIEEE([]byte(c.name)), crc32.IEEETable, c.data); len(c.checksum) < 4 || binary.BigEndian.Uint32(c.checksum) != sum {
			return h, fmt.Errorf("chunk %s has another checksum", c.name)
		}
		b = rest
	}
}

// stream gives the chunks of pixels, one behind the other. Only one is looked at at a time: a file may have millions of empty ones.
type stream struct {
	data []byte // of the present chunk
	rest []byte // of the file
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.data) == 0 {
		c, rest, err := next(s.rest)
		if err != nil || c.name != "IDAT" && c.name != "fdAT" && c.name != "DDAT" {
			return 0, io.EOF
		}
		s.data, s.rest = c.data, rest
		if c.name == "fdAT" { // a number comes first
			s.data = c.data[min(4, len(c.data)):]
		}
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// Decode reads a picture, whose size the caller has found acceptable (DecodeConfig).
func Decode(encoded []byte) (*raster.Picture, error) {
	return DecodeContext(context.Background(), encoded)
}

// DecodeContext is Decode that ends with ctx, whose error it gives.
func DecodeContext(ctx context.Context, encoded []byte) (*raster.Picture, error) {
	h, err := readHeader(encoded)
	if err != nil {
		return nil, err
	}
	if len(h.palette) > 3*256 {
		return nil, fmt.Errorf("a palette of %d bytes", len(h.palette))
	}
	if h.interlaced && (h.w != h.width || h.h != h.height) {
		return nil, fmt.Errorf("%w: an interlaced frame that is smaller than its picture", raster.ErrUnsupported)
	}
	const most = 1032 // what deflate can make of a byte (zlib's technical details)
	if h.w*h.h*h.format.bits()/8 > most*len(h.rest) {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d × %d pixels", raster.ErrTruncated, len(h.rest), h.w, h.h)
	}
	p := raster.New(modes[h.format], h.width, h.height)
	if p.Mode == raster.Palette {
		copy(p.Palette, h.palette)
	}
	return p, h.pixels(ctx, p)
}
