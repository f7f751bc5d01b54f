// Package pnm decodes the Netpbm formats to Pillow's pixels (PpmImagePlugin.py): PBM, PGM and PPM, plain (P1, P2, P3) and binary (P4, P5, P6), up to 16
// bits, and grey PFM (Pf).
//
//	width, height, err := pnm.DecodeConfig(encoded)      // to be held to a limit
//	p, err := pnm.Decode(encoded)
//
// Levels are stretched to 255 with Python's rounding. A PGM of more than 8 bits becomes mode I with levels up to 65535, which conversion to RGB cuts off
// at 255, as in the reference.
//
// A file of too few bytes for its pixels is refused before memory is asked for.
package pnm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"clipnb/clipkit/imaging/raster"
)

const space = " \t\n\v\f\r"

// maxToken is the length of a number, as Pillow limits it.
const maxToken = 10

// header is what lies before the pixels.
type header struct {
	kind          byte // the second letter of the file: 1 to 6 or f
	width, height int
	most          int  // the greatest level
	little        bool // PFM: the low byte first
	pixels        []byte
}

// Accepts says whether a file begins like one of these.
func Accepts(b []byte) bool {
	return len(b) > 2 && b[0] == 'P' && bytes.IndexByte([]byte("123456f"), b[1]) >= 0 && bytes.IndexByte([]byte(space), b[2]) >= 0
}

// DecodeConfig reads the header alone.
func DecodeConfig(encoded []byte) (width, height int, err error) {
	h, err := readHeader(encoded)
	return h.width, h.height, err
}

func readHeader(b []byte) (h header, err error) {
	if !Accepts(b) {
		return h, errors.New("not a Netpbm file")
	}
	h.kind, h.most, h.pixels = b[1], 1, b[3:]
	for _, side := range []*int{&h.width, &h.height} {
		if *side, err = h.number(); err != nil {
			return h, fmt.Errorf("the size: %w", err)
		}
	}
	switch h.kind {
	case '1', '4':
	case 'f':
		scale, err := strconv.ParseFloat(string(h.token()), 64)
		if err != nil || scale == 0 || math.IsInf(scale, 0) || math.IsNaN(scale) {
			return h, fmt.Errorf("the scale is %v (%v), want a number other than 0", scale, err)
		}
		h.little = scale < 0
	default:
		if h.most, err = h.number(); err != nil || h.most < 1 || h.most > math.MaxUint16 {
			return h, fmt.Errorf("the greatest level is %d (%v), want 1 to 65535", h.most, err)
		}
	}
	return h, nil
}

// token reads the next word of the header and the white space behind it. A comment may stand anywhere, even inside a word.
func (h *header) token() []byte {
	var token []byte
	for len(h.pixels) > 0 && len(token) <= maxToken {
		c := h.pixels[0]
		h.pixels = h.pixels[1:]
		switch {
		case bytes.IndexByte([]byte(space), c) >= 0:
			if len(token) > 0 {
				return token
			}
		case c == '#':
			end := bytes.IndexAny(h.pixels, "\r\n")
			if end < 0 {
				end = len(h.pixels) - 1
			}
			h.pixels = h.pixels[end+1:]
		default:
			token = append(token, c)
		}
	}
	return token
}

func (h *header) number() (int, error) {
	token := h.token()
	v, err := strconv.ParseUint(string(token), 10, 31)
	if err != nil || len(token) > maxToken {
		return 0, fmt.Errorf("%q, want a number", token)
	}
	return int(v), nil
}

// Decode reads a picture, whose size the caller has found acceptable (DecodeConfig).
func Decode(encoded []byte) (*raster.Picture, error) {
	h, err := readHeader(encoded)
	if err != nil {
		return nil, err
	}
	mode := raster.Grey
	switch {
	case h.kind == '1' || h.kind == '4':
		mode = raster.Bilevel
	case h.kind == '3' || h.kind == '6':
		mode = raster.RGB
	case h.kind == 'f':
		mode = raster.Float32
	case h.most > 255:
		mode = raster.Int32
	}
	p := &raster.Picture{Mode: mode, Width: h.width, Height: h.height}
	levels := h.width * h.height
	if mode == raster.RGB {
		levels *= 3
	}
	if err := h.enough(levels); err != nil {
		return nil, err
	}
	p.Pix = make([]byte, h.width*h.height*mode.Bytes())
	switch {
	case h.kind == '1':
		return p, h.plainBits(p.Pix)
	case h.kind <= '3':
		return p, h.plain(p, levels)
	case h.kind == '4':
		h.bits(p)
	case h.kind == 'f':
		h.floats(p)
	default:
		h.binary(p, levels)
	}
	return p, nil
}

// enough checks that a file has the bytes that so many levels take at least.
func (h *header) enough(levels int) error {
	want := levels
	switch {
	case h.kind == '2' || h.kind == '3':
		want = 2*levels - 1 // a digit each, and a space between them
	case h.kind == '4':
		want = (h.width + 7) / 8 * h.height
	case h.kind == 'f':
		want = 4 * levels
	case h.kind >= '5' && h.most > 255:
		want = 2 * levels
	}
	if len(h.pixels) < want {
		return fmt.Errorf("%w: %d bytes of pixels, want %d", raster.ErrTruncated, len(h.pixels), want)
	}
	return nil
}

// put stretches a level and writes number i of the picture.
func (h *header) put(p *raster.Picture, i, level int) {
	if p.Mode == raster.Int32 {
		binary.LittleEndian.PutUint32(p.Pix[4*i:], uint32(min(65535, math.RoundToEven(float64(level)/float64(h.most)*65535))))
		return
	}
	p.Pix[i] = byte(min(255, math.RoundToEven(float64(level)/float64(h.most)*255)))
}

func (h *header) binary(p *raster.Picture, levels int) {
	switch {
	case h.most == 255:
		copy(p.Pix, h.pixels)
	case h.most < 255:
		for i := range levels {
			h.put(p, i, int(h.pixels[i]))
		}
	default:
		for i := range levels {
			h.put(p, i, int(binary.BigEndian.Uint16(h.pixels[2*i:])))
		}
	}
}

// bits are 1 for black.
func (h *header) bits(p *raster.Picture) {
	stride := (h.width + 7) / 8
	for y := range h.height {
		row := p.Row(y)
		raster.Unpack(row, h.pixels[y*stride:][:stride], 1, 255)
		for x := range row {
			row[x] ^= 255
		}
	}
}

// floats come from the bottom up.
func (h *header) floats(p *raster.Picture) {
	for y := range h.height {
		row := p.Row(h.height - 1 - y)
		copy(row, h.pixels[y*len(row):])
		if !h.little {
			for i := 0; i < len(row); i += 4 {
				row[i], row[i+1], row[i+2], row[i+3] = row[i+3], row[i+2], row[i+1], row[i]
			}
		}
	}
}

// withoutComments drops comments with the ends of their lines, which joins what stands before and behind, as in Pillow.
func withoutComments(b []byte) []byte {
	var out []byte
	for {
		start := bytes.IndexByte(b, '#')
		if start < 0 {
			return append(out, b...)
		}
		out = append(out, b[:start]...)
		end := bytes.IndexAny(b[start:], "\r\n")
		if end < 0 {
			return out
		}
		b = b[start+end+1:]
	}
}

func (h *header) plainBits(dst []byte) error {
	at := 0
	for _, c := range withoutComments(h.pixels) {
		switch {
		case at == len(dst):
			return nil
		case c == '0' || c == '1':
			dst[at] = ('1' - c) * 255
			at++
		case bytes.IndexByte([]byte(space), c) < 0:
			return fmt.Errorf("%q instead of 0 or 1", c)
		}
	}
	if at < len(dst) {
		return fmt.Errorf("%w: %d pixels, want %d", raster.ErrTruncated, at, len(dst))
	}
	return nil
}

func (h *header) plain(p *raster.Picture, levels int) error {
	i := 0
	for token := range bytes.FieldsFuncSeq(withoutComments(h.pixels), func(r rune) bool { return r < 128 && bytes.IndexByte([]byte(space), byte(r)) >= 0 }) {
		if i == levels {
			break
		}
		level, err := strconv.ParseUint(string(token), 10, 31)
		if err != nil || len(token) > maxToken || int(level) > h.most {
			return fmt.Errorf("level %d is %.12q, want a number up to %d", i, token, h.most)
		}
		h.put(p, i, int(level))
		i++
	}
	if i < levels {
		return fmt.Errorf("%w: %d levels, want %d", raster.ErrTruncated, i, levels)
	}
	return nil
}
