// Package jpeg decodes JPEG to the same levels as libjpeg-turbo with default settings, which Pillow and so the reference use: its accurate
// inverse DCT, its smooth upsampling of chroma and its conversion of colours, in whole numbers. Go's own decoder differs from it by a few
// levels, which would show in features.
//
//	width, height, err := jpeg.DecodeConfig(encoded)      // to be held to a limit
//	p, err := jpeg.Decode(encoded)
//
// It reads baseline, extended and progressive Huffman coding with 8 bits (ITU-T T.81); one, three or four channels; every sampling whose
// factors divide the largest. What it understands and does not read is [ErrUnsupported]; every other error means a damaged file. EXIF is
// ignored.
//
// Files that libjpeg reads with a warning are read to the same levels: without Huffman tables, as motion JPEG has them; without an end marker, where
// bytes follow the last block; with codes that no table has, with scans that a marker ends early, with restart markers that are lost or repeated
// (scan.go); progressive files of which only the first scans are there, which libjpeg smooths (smooth.go).
//
// # Bytes from outside
//
// A header may not announce more blocks than its file has bits. A file may hold 200 scans, and those of a large picture together may go through it six
// times at most, where a progressive file of libjpeg goes three times: a scan of 60 bytes can be about a million blocks. DecodeContext looks at its
// context at every row of blocks. Memory is at most 12 bytes a pixel for three channels, 16 for four. The loops over pixels are C (kernels.c);
// kernels.go checks the length of every slice that they are given.
package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnsupported is wrapped for a sound file of a kind that is not read: arithmetic coding, lossless, 12 bits, odd sampling.
var ErrUnsupported = errors.New("jpeg: a kind of JPEG that is not read")

// What ends files that are made to keep a decoder busy. Encoders write about ten scans. Work is counted in coefficients that a scan is about, and a few
// for each of its blocks (blockWork).
const (
	maxScans  = 200
	maxPasses = 6
	freeWork  = 64 << 20 // not limited, about half a second: small pictures, whatever their scans
	blockWork = 4
)

// errTruncated is Pillow's complaint about a file that stops before its end marker.
var errTruncated = errors.New("the file is truncated")

// file is the state of a decoder. It keeps the coefficients of the whole picture, so that there is one path for
// progressive files, files with one scan per channel, and plain ones.
type file struct {
	data []byte
	at   int // next byte to read

	width, height  int
	progressive    bool
	components     []component
	maxH, maxV     int // the greatest sampling factors
	mcusX, mcusY   int // the picture in minimum coded units
	quant          [4]*[64]uint16
	dc, ac         [4]*huffman
	restart        int // MCUs between restart markers, or 0
	jfif, adobe    bool
	adobeTransform byte
	scans          int
	blockCount     int // of the picture, without those that only fill up MCUs
	work           int // of the scans so far
	ctx            context.Context
	complete       bool // all channels were in the scan before here, and the file went on behind it
	units          int  // rows of units; those of a single channel are as high as its factor says
	lastGood       int  // the last of them in the last scan that had data
}

// component is one channel.
type component struct {
	id            byte
	h, v          int // sampling factors
	unit          int // rows of blocks in a row of units, v as the file has it
	table         byte
	quant         *[64]uint16 // as it was when the first scan of the channel began
	blocksX       int         // blocks in a row, with those that only fill up MCUs
	coefficients  []int16     // [blocks down, blocksX, 64] in natural order
	dc, ac        *huffman    // of the current scan
	predicted     int32       // the last DC value
	plane         plane
	width, height int
	bits, before  [10]int8 // by coefficient, in zigzag order: the bit position up to which it is known, −1: not at all; before: without the last scan
}

// JPEG markers.
const (
	markerSOF0, markerSOF1, markerSOF2 = 0xc0, 0xc1, 0xc2
	markerDHT, markerDAC, markerRST0   = 0xc4, 0xcc, 0xd0
	markerSOI, markerEOI, markerSOS    = 0xd8, 0xd9, 0xda
	markerDQT, markerDRI               = 0xdb, 0xdd
	markerAPP0, markerAPP14            = 0xe0, 0xee
)

// DecodeConfig reads the header alone.
func DecodeConfig(encoded []byte) (width, height int, err error) {
	d := file{data: encoded}
	for {
		marker, segment, err := d.next()
		if err != nil {
			return 0, 0, err
		}
		switch marker {
		case markerEOI, markerSOS:
			return 0, 0, errors.New("it has no frame header")
		case markerSOF0, markerSOF1, markerSOF2:
			err := d.frame(marker, segment)
			return d.width, d.height, err
		}
		if err := d.unsupported(marker); err != nil {
			return 0, 0, err
		}
	}
}

// Picture is grey with one channel, RGB with three, and with four the inks cyan, magenta, yellow and black.
type Picture struct {
	Width, Height, Channels int
	Pix                     []byte // [Height, Width, Channels]
}

// Decode reads a picture, whose size the caller has found acceptable (DecodeConfig). Inks are inverted, as Adobe stores them, with or without
// its marker, as Pillow does.
func Decode(encoded []byte) (*Picture, error) { return DecodeContext(context.Background(), encoded) }

// DecodeContext is Decode that ends with ctx, whose error it gives.
func DecodeContext(ctx context.Context, encoded []byte) (*Picture, error) {
	d := file{data: encoded, ctx: ctx}
	for {
		marker, segment, err := d.next()
		switch {
		case err == nil:
		case errors.Is(err, errTruncated) && d.complete: // all pixels are there, and as in Pillow the end marker is not missed
			return d.picture()
		default:
			return nil, err
		}
		switch marker {
		case markerEOI:
			return d.picture()
		case markerSOF0, markerSOF1, markerSOF2:
			if err = d.frame(marker, segment); err == nil {
				err = d.allocate()
			}
		case markerDHT:
			err = d.huffmanTables(segment)
		case markerDQT:
			err = d.quantTables(segment)
		case markerDRI:
			if len(segment) != 2 {
				return nil, fmt.Errorf("a restart interval of %d bytes, want 2", len(segment))
			}
			d.restart = int(binary.BigEndian.Uint16(segment))
		case markerAPP0:
			d.jfif = d.jfif || bytes.HasPrefix(segment, []byte("JFIF\x00"))
		case markerAPP14:
			if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
				d.adobe, d.adobeTransform = true, segment[11]
			}
		case markerSOS:
			err = d.scan(segment)
		default:
			err = d.unsupported(marker)
		}
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", d.at, err)
		}
	}
}

// next finds the next marker and the bytes of its segment. Bytes between segments are passed over, as libjpeg does.
func (d *file) next() (marker byte, segment []byte, err error) {
	for {
		i := bytes.IndexByte(d.data[d.at:], 0xff)
		if i < 0 || d.at+i+1 >= len(d.data) {
			return 0, nil, errTruncated
		}
		d.at += i + 1
		marker = d.data[d.at]
		switch {
		case marker == 0xff: // a fill byte
			continue
		case marker == markerEOI:
			return marker, nil, nil
		case marker <= 1, marker >= markerRST0 && marker <= markerSOI:
			d.at++
			continue
		}
		rest := d.data[d.at+1:]
		if len(rest) < 2 {
			return 0, nil, errTruncated
		}
		n := int(binary.BigEndian.Uint16(rest))
		if n < 2 {
			return 0, nil, fmt.Errorf("at byte %d: a segment of %d bytes", d.at, n)
		}
		if n > len(rest) {
			return 0, nil, errTruncated
		}
		d.at += 1 + n
		return marker, rest[2:n], nil
	}
}

func (d *file) unsupported(marker byte) error {
	switch {
	case marker == markerDAC || marker >= 0xc9 && marker <= 0xcf:
		return fmt.Errorf("%w: arithmetic coding in a JPEG; save it again with Huffman coding", ErrUnsupported)
	case marker >= 0xc3 && marker <= 0xc7 && marker != markerDHT:
		return fmt.Errorf("%w: a lossless or hierarchical JPEG", ErrUnsupported)
	}
	return nil
}

// frame reads the frame header. It checks what the rest of the decoder relies on.
func (d *file) frame(marker byte, b []byte) error {
	if d.components != nil {
		return errors.New("it has two frame headers")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return fmt.Errorf("a frame header of %d bytes", len(b))
	}
	if b[0] != 8 {
		return fmt.Errorf("%w: a JPEG of %d bits per sample, only 8 can be read", ErrUnsupported, b[0])
	}
	d.progressive = marker == markerSOF2
	d.height, d.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if n := b[5]; n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%w: a JPEG of %d channels", ErrUnsupported, n)
	}
	d.maxH, d.maxV = 1, 1
	for b = b[6:]; len(b) > 0; b = b[3:] {
		c := component{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), table: b[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return fmt.Errorf("channel %d has sampling factors %d × %d and quantisation table %d", c.id, c.h, c.v, c.table)
		}
		d.maxH, d.maxV, c.unit = max(d.maxH, c.h), max(d.maxV, c.v), c.v
		for i := range c.bits {
			c.bits[i] = -1
		}
		d.components = append(d.components, c)
	}
	d.units = ceilDiv(d.height, 8*d.maxV)
	if len(d.components) == 1 { // the factors of a single channel have no meaning
		d.components[0].h, d.components[0].v, d.maxH, d.maxV = 1, 1, 1, 1
	}
	for _, c := range d.components {
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return fmt.Errorf("%w: a JPEG with sampling factors %d × %d beside %d × %d", ErrUnsupported, c.h, c.v, d.maxH, d.maxV)
		}
	}
	return nil
}

// allocate makes room for the coefficients. Every block takes at least a bit of the file, which bounds the memory that a small file can ask for.
func (d *file) allocate() error {
	d.mcusX, d.mcusY = ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
	for i := range d.components {
		c := &d.components[i]
		c.blocksX = d.mcusX * c.h
		c.width, c.height = ceilDiv(d.width*c.h, d.maxH), ceilDiv(d.height*c.v, d.maxV)
		d.blockCount += c.blocks()
	}
	if d.blockCount > 8*len(d.data) {
		return fmt.Errorf("%w: %d bytes cannot hold %d × %d pixels", errTruncated, len(d.data), d.width, d.height)
	}
	for i := range d.components {
		c := &d.components[i]
		c.coefficients = make([]int16, 64*c.blocksX*d.units*c.unit)
	}
	return nil
}

// blocks of a channel, without those that only fill up MCUs.
func (c *component) blocks() int { return ceilDiv(c.width, 8) * ceilDiv(c.height, 8) }

func (d *file) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, id := b[0]>>4, b[0]&15
		n := 64 * (1 + int(wide))
		if wide > 1 || id > 3 || len(b) < 1+n {
			return fmt.Errorf("a damaged quantisation table %d", id)
		}
		t := new([64]uint16)
		for i := range 64 {
			if wide == 1 {
				t[zigzag[i]] = binary.BigEndian.Uint16(b[1+2*i:])
			} else {
				t[zigzag[i]] = uint16(b[1+i])
			}
		}
		d.quant[id] = t
		b = b[1+n:]
	}
	return nil
}

// picture turns the coefficients into pixels.
func (d *file) picture() (*Picture, error) {
	if d.components == nil {
		return nil, errors.New("it has no frame header")
	}
	if d.scans == 0 {
		return nil, errors.New("it has no scan")
	}
	smooth := d.unfinished()
	for i := range d.components {
		c := &d.components[i]
		stride := 8 * c.blocksX
		p := plane{pix: make([]byte, len(c.coefficients)), stride: stride, width: c.width, height: c.height}
		if c.quant == nil { // no scan had it: middle grey
			c.quant = new([64]uint16)
		}
		for at := 0; at < len(p.pix); at += 8 * stride {
			if err := d.ctx.Err(); err != nil {
				return nil, err
			}
			row := c.coefficients[at : at+8*stride]
			if smooth {
				row = d.smooth(c, at/(8*stride))
			}
			inverseDCT(row, c.quant, p.pix[at:], stride)
		}
		c.coefficients = nil
		c.plane = p.upsample(d.maxH/c.h, d.maxV/c.v, d.width, d.height)
	}
	p := &Picture{Width: d.width, Height: d.height, Channels: len(d.components)}
	y, all := d.components[0].plane, d.components
	switch {
	case len(all) == 1, len(all) == 3 && d.isRGB():
		p.Pix = d.interleave()
	case len(all) == 3:
		p.Pix = yccRGB(y, all[1].plane, all[2].plane, p.Width, p.Height)
	default:
		p.Pix = d.interleave()
		for i, v := range p.Pix {
			p.Pix[i] = 255 - v
		}
		if d.adobe && d.adobeTransform != 0 { // YCCK: the inks are the complement of RGB, and inverted they are RGB
			for row := range p.Height { // one at a time: all of them would take three bytes a pixel more
				rgb := yccRGB(y.from(row), all[1].plane.from(row), all[2].plane.from(row), p.Width, 1)
				for i := range p.Width {
					copy(p.Pix[4*(row*p.Width+i):][:3], rgb[3*i:])
				}
			}
		}
	}
	return p, nil
}

// isRGB says whether three channels are red, green and blue rather than luma and chroma (libjpeg's default_decompress_parms).
func (d *file) isRGB() bool {
	switch {
	case d.jfif:
		return false
	case d.adobe:
		return d.adobeTransform == 0
	}
	return d.components[0].id == 'R' && d.components[1].id == 'G' && d.components[2].id == 'B'
}

// interleave gives the channels as they are, [height, width, channels].
func (d *file) interleave() []byte {
	n := len(d.components)
	out := make([]byte, n*d.width*d.height)
	for i, c := range d.components {
		for y := range d.height {
			for x, v := range c.plane.pix[y*c.plane.stride:][:d.width] {
				out[n*(y*d.width+x)+i] = v
			}
		}
	}
	return out
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
