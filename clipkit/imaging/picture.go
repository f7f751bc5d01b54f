package imaging

import (
	"image"
	"image/color"

	"clipnb/clipkit/imaging/raster"
)

// Mode says what the bytes of a pixel mean. The names are Pillow's.
type Mode = raster.Mode

// The modes that Decode and FromImage produce.
const (
	Bilevel   = raster.Bilevel   // one byte, 0 or 255
	Grey      = raster.Grey      // one byte
	GreyAlpha = raster.GreyAlpha // grey, alpha (not premultiplied)
	Palette   = raster.Palette   // an index into Picture.Palette
	RGB       = raster.RGB       // three bytes
	RGBA      = raster.RGBA      // colour, alpha (not premultiplied)
	CMYK      = raster.CMYK      // ink: 0 is none, 255 is full
	Grey16    = raster.Grey16    // two bytes, the low one first
	Int32     = raster.Int32     // four bytes, signed, the low one first
	Float32   = raster.Float32   // four bytes, the low one first
)

// Picture is a decoded picture.
type Picture struct {
	Mode          Mode
	Width, Height int
	Pix           []byte // [Height, Width, bytes of the mode], rows without padding
	Palette       []byte // [256, 3] RGB, in mode Palette only
}

func newPicture(mode Mode, w, h int) *Picture {
	return &Picture{Mode: mode, Width: w, Height: h, Pix: make([]byte, w*h*mode.Bytes())}
}

// RGB converts to mode RGB as Pillow's convert("RGB") does: alpha is dropped, grey is repeated, a level above 255 becomes 255.
// An RGB picture is returned as it is.
func (p *Picture) RGB() *Picture {
	if p.Mode == RGB {
		return p
	}
	out := newPicture(RGB, p.Width, p.Height)
	step := p.Mode.Bytes()
	for i, j := 0, 0; i < len(p.Pix); i, j = i+step, j+3 {
		dst := out.Pix[j : j+3]
		switch p.Mode {
		case Bilevel, Grey, GreyAlpha:
			dst[0], dst[1], dst[2] = p.Pix[i], p.Pix[i], p.Pix[i]
		case Palette:
			copy(dst, p.Palette[3*int(p.Pix[i]):][:3])
		case RGBA:
			copy(dst, p.Pix[i:i+3])
		case CMYK:
			white := 255 - p.Pix[i+3]
			for c := range dst {
				dst[c] = white - mul255(p.Pix[i+c], white)
			}
		case Grey16, Int32, Float32: // cut off, not scaled
			if v := numbersOf[p.Mode].get(p.Pix[i:]); v > 0 {
				level := byte(min(v, 255))
				dst[0], dst[1], dst[2] = level, level, level
			}
		}
	}
	return out
}

// Image gives the picture to packages that draw or encode standard images.
func (p *Picture) Image() image.Image {
	bounds := image.Rect(0, 0, p.Width, p.Height)
	switch p.Mode {
	case Bilevel, Grey:
		return &image.Gray{Pix: p.Pix, Stride: p.Width, Rect: bounds}
	case CMYK:
		return &image.CMYK{Pix: p.Pix, Stride: 4 * p.Width, Rect: bounds}
	case RGBA:
		return &image.NRGBA{Pix: p.Pix, Stride: 4 * p.Width, Rect: bounds}
	case Palette:
		colours := make(color.Palette, 256)
		for i := range colours {
			colours[i] = color.RGBA{p.Palette[3*i], p.Palette[3*i+1], p.Palette[3*i+2], 255}
		}
		return &image.Paletted{Pix: p.Pix, Stride: p.Width, Rect: bounds, Palette: colours}
	case Grey16:
		m := image.NewGray16(bounds)
		for i := 0; i < len(p.Pix); i += 2 {
			m.Pix[i], m.Pix[i+1] = p.Pix[i+1], p.Pix[i]
		}
		return m
	}
	m := image.NewNRGBA(bounds)
	rgb := p.RGB()
	for i := range p.Width * p.Height {
		copy(m.Pix[4*i:], rgb.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
		if p.Mode == GreyAlpha {
			m.Pix[4*i+3] = p.Pix[2*i+1]
		}
	}
	return m
}

// crop cuts out a rectangle that lies inside the picture.
func (p *Picture) crop(x, y, w, h int) *Picture {
	out := &Picture{Mode: p.Mode, Width: w, Height: h, Palette: p.Palette}
	step := p.Mode.Bytes()
	out.Pix = make([]byte, 0, w*h*step)
	for row := y; row < y+h; row++ {
		out.Pix = append(out.Pix, p.Pix[(row*p.Width+x)*step:][:w*step]...)
	}
	return out
}

// flip mirrors left and right.
func (p *Picture) flip() *Picture {
	out := &Picture{Mode: p.Mode, Width: p.Width, Height: p.Height, Palette: p.Palette, Pix: make([]byte, len(p.Pix))}
	step := p.Mode.Bytes()
	for row := 0; row < len(p.Pix); row += p.Width * step {
		for x := range p.Width {
			copy(out.Pix[row+x*step:][:step], p.Pix[row+(p.Width-1-x)*step:])
		}
	}
	return out
}

// mul255 is round(a·b/255), in Pillow's integer form (ImagingUtils.h, MULDIV255).
func mul255(a, b byte) byte {
	v := uint32(a)*uint32(b) + 128
	return byte((v>>8 + v) >> 8)
}

// clip8 limits v to a byte.
func clip8(v int32) byte { return byte(min(max(v, 0), 255)) }
