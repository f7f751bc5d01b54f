package imaging

import (
	"image"
	"image/color"

	"clipnb/clipkit/imaging/jpeg"
)

// FromImage copies a standard image. The mode follows the image's type: Gray L, Gray16 I;16, Paletted P, CMYK CMYK, YCbCr RGB; all others become
// RGB when opaque and RGBA otherwise.
func FromImage(m image.Image) *Picture {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	switch m := m.(type) {
	case *image.Gray:
		return &Picture{Mode: Grey, Width: w, Height: h, Pix: pick(m.Pix, m.Stride, w, h, 1, 0)}
	case *image.Gray16:
		return &Picture{Mode: Grey16, Width: w, Height: h, Pix: pick(m.Pix, m.Stride, w, h, 2, 1, 0)}
	case *image.CMYK:
		return &Picture{Mode: CMYK, Width: w, Height: h, Pix: pick(m.Pix, m.Stride, w, h, 4, 0, 1, 2, 3)}
	case *image.Paletted:
		return &Picture{Mode: Palette, Width: w, Height: h, Pix: pick(m.Pix, m.Stride, w, h, 1, 0), Palette: paletteBytes(m.Palette)}
	case *image.YCbCr:
		return &Picture{Mode: RGB, Width: w, Height: h, Pix: jpeg.FromYCbCr(m)}
	case *image.RGBA:
		if m.Opaque() {
			return &Picture{Mode: RGB, Width: w, Height: h, Pix: pick(m.Pix, m.Stride, w, h, 4, 0, 1, 2)}
		}
	case *image.NRGBA:
		return withAlpha(pick(m.Pix, m.Stride, w, h, 4, 0, 1, 2, 3), w, h)
	}
	pix := make([]byte, 0, 4*w*h)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			pix = append(pix, c.R, c.G, c.B, c.A)
		}
	}
	return withAlpha(pix, w, h)
}

// withAlpha makes a picture of RGBA bytes; mode RGB if all of them are opaque.
func withAlpha(pix []byte, w, h int) *Picture {
	p := &Picture{Mode: RGBA, Width: w, Height: h, Pix: pix}
	for i := 3; i < len(pix); i += 4 {
		if pix[i] != 255 {
			return p
		}
	}
	return p.RGB()
}

// pick copies the bytes at the given offsets out of each pixel of step bytes.
func pick(pix []byte, stride, w, h, step int, offsets ...int) []byte {
	out := make([]byte, 0, w*h*len(offsets))
	for y := range h {
		row := pix[y*stride:][:w*step]
		if len(offsets) == step && offsets[0] == 0 {
			out = append(out, row...)
			continue
		}
		for ; len(row) >= step; row = row[step:] {
			for _, o := range offsets {
				out = append(out, row[o])
			}
		}
	}
	return out
}

// paletteBytes gives [256, 3] RGB. Entries that the file leaves out are black.
func paletteBytes(colours color.Palette) []byte {
	out := make([]byte, 3*256)
	for i, c := range colours[:min(len(colours), 256)] {
		// A transparent entry of a PNG keeps its colour: it is the colour that the reference sees.
		n, ok := c.(color.NRGBA)
		if !ok {
			n = color.NRGBAModel.Convert(c).(color.NRGBA)
		}
		out[3*i], out[3*i+1], out[3*i+2] = n.R, n.G, n.B
	}
	return out
}

// isGreyScale says whether entry i of the RGB triples is the grey level i, for all of them.
func isGreyScale(triples []byte) bool {
	for i, v := range triples {
		if int(v) != i/3 {
			return false
		}
	}
	return true
}
