package imaging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
)

// gifHeader is what lies before the first frame's pixels. Go's decoder replaces the transparent colour by black and leaves out the canvas around
// the frame; the reference sees both.
type gifHeader struct {
	width, height int
	colours       []byte // RGB triples of the first frame
	transparent   int    // index, or −1
}

func readGIFHeader(b []byte) (h gifHeader, err error) {
	h.transparent = -1
	short := fmt.Errorf("%w: it ends before the first frame", ErrCorrupt)
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
		h.colours, b = b[:n], b[n:]
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
			if len(b) < 10 {
				return h, short
			}
			flags := b[9]
			b = b[10:]
			return h, table(flags)
		case '!': // extension: label, then blocks that each begin with their length, until an empty one
			const graphicControl = 0xf9
			if len(b) > 6 && b[1] == graphicControl && b[2] >= 4 && b[3]&1 != 0 {
				h.transparent = int(b[6])
			}
			b = b[min(len(b), 2):]
			for len(b) > 0 && b[0] != 0 {
				b = b[min(len(b), 1+int(b[0])):]
			}
		case ';':
			return h, fmt.Errorf("%w: it has no frame", ErrCorrupt)
		}
		b = b[min(len(b), 1):]
	}
	return h, short
}

func gifConfig(encoded []byte) (image.Config, error) {
	h, err := readGIFHeader(encoded)
	return image.Config{Width: h.width, Height: h.height, ColorModel: color.Palette{}}, err
}

// decodeGIF gives mode P; L where the palette is a plain grey scale (GifImagePlugin.py, _is_palette_needed).
func decodeGIF(encoded []byte, _ image.Config) (*Picture, error) {
	h, err := readGIFHeader(encoded)
	if err != nil {
		return nil, err
	}
	m, err := gif.Decode(bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	frame, ok := m.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("%w: unexpected pixel type %T", ErrFormat, m)
	}
	p := newPicture(Palette, h.width, h.height)
	if isGreyScale(h.colours) {
		p.Mode = Grey
	} else {
		p.Palette = append(h.colours[:len(h.colours):len(h.colours)], make([]byte, 3*256-len(h.colours))...)
	}
	if h.transparent > 0 {
		for i := range p.Pix {
			p.Pix[i] = byte(h.transparent)
		}
	}
	// The decoder has checked that the frame lies inside the canvas.
	for y := frame.Rect.Min.Y; y < frame.Rect.Max.Y; y++ {
		copy(p.Pix[y*p.Width+frame.Rect.Min.X:], frame.Pix[(y-frame.Rect.Min.Y)*frame.Stride:][:frame.Rect.Dx()])
	}
	return p, nil
}
