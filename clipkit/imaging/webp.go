package imaging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/webp"
)

// webpHeader is what the chunks before and at the head of the pixel data say (RFC 9649).
type webpHeader struct {
	width, height int
	alpha         bool
	lossless      []byte // the VP8L chunk, if there is one
}

// readWebPHeader also checks that the canvas and the pixel data agree on the size: the decoder allocates alpha for the one and colour for the other.
func readWebPHeader(encoded []byte) (h webpHeader, err error) {
	b := encoded[min(len(encoded), 12):]
	for len(b) >= 8 {
		name, size := string(b[:4]), int(binary.LittleEndian.Uint32(b[4:]))
		head := b[8:min(len(b), 8+min(size, 10))]
		w, ht := 0, 0
		switch {
		case name == "VP8X" && len(head) == 10:
			const animation, alpha = 1 << 1, 1 << 4
			if head[0]&animation != 0 {
				return h, fmt.Errorf("%w: an animated WebP", ErrFormat)
			}
			h.alpha = head[0]&alpha != 0
			h.width = 1 + int(head[4]) + int(head[5])<<8 + int(head[6])<<16
			h.height = 1 + int(head[7]) + int(head[8])<<8 + int(head[9])<<16
		case name == "VP8 " && len(head) == 10:
			w, ht = int(binary.LittleEndian.Uint16(head[6:])&0x3fff), int(binary.LittleEndian.Uint16(head[8:])&0x3fff)
		case name == "VP8L" && len(head) >= 5:
			bits := binary.LittleEndian.Uint32(head[1:])
			w, ht = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)
			h.alpha = h.alpha || bits>>28&1 != 0
			h.lossless = b[:min(len(b), 8+size)]
		}
		if w > 0 {
			if h.width == 0 {
				h.width, h.height = w, ht
			}
			if w != h.width || ht != h.height {
				return h, fmt.Errorf("%w: a picture of %d × %d on a canvas of %d × %d", ErrCorrupt, w, ht, h.width, h.height)
			}
			return h, nil
		}
		b = b[min(len(b), 8+size+size&1):]
	}
	return h, fmt.Errorf("%w: it holds no picture", ErrCorrupt)
}

func webpConfig(encoded []byte) (image.Config, error) {
	h, err := readWebPHeader(encoded)
	return image.Config{Width: h.width, Height: h.height, ColorModel: color.NRGBAModel}, err
}

// decodeWebP gives RGBA where the header announces alpha, otherwise RGB.
func decodeWebP(encoded []byte, _ image.Config) (*Picture, error) {
	h, err := readWebPHeader(encoded)
	if err != nil {
		return nil, err
	}
	if h.lossless != nil {
		// The decoder refuses lossless pixels with alpha in the extended container, so it gets them in the simple one.
		size := len(h.lossless) + len(h.lossless)&1
		encoded = append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(4+size))...)
		encoded = append(append(encoded, "WEBP"...), h.lossless...)
		encoded = append(encoded, make([]byte, size-len(h.lossless))...)
	}
	m, err := webp.Decode(bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	p := &Picture{Mode: RGB, Width: h.width, Height: h.height}
	if h.alpha {
		p.Mode = RGBA
	}
	switch m := m.(type) {
	case *image.NRGBA:
		p.Pix = pick(m.Pix, m.Stride, p.Width, p.Height, 4, []int{0, 1, 2, 3}[:p.Mode.Bytes()]...)
	case *image.YCbCr:
		p.Pix = webpRGB(m, p.Mode.Bytes())
	case *image.NYCbCrA:
		p.Pix = webpRGB(&m.YCbCr, p.Mode.Bytes())
		if p.Mode == RGBA {
			for y := range p.Height {
				for x := range p.Width {
					p.Pix[4*(y*p.Width+x)+3] = m.A[y*m.AStride+x]
				}
			}
		}
	default:
		return nil, fmt.Errorf("%w: unexpected pixel type %T", ErrFormat, m)
	}
	return p, nil
}

// webpRGB converts lossy pixels, n bytes each, as libwebp does (dsp/upsampling.c, dsp/yuv.h): smooth chroma upsampling and YUV of limited range.
// Go's image.YCbCr would be read as JPEG's full range, which makes WebP pictures paler than they are.
func webpRGB(m *image.YCbCr, n int) []byte {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	cw, ch := (w+1)/2, (h+1)/2
	out := bytes.Repeat([]byte{255}, n*w*h)
	u, v := make([]byte, w), make([]byte, w)
	for y := range h {
		near := y / 2
		far := min(max(near-1+2*(y%2), 0), ch-1)
		nearAt, farAt := near*m.CStride, far*m.CStride
		webpChroma(u, m.Cb[nearAt:nearAt+cw], m.Cb[farAt:farAt+cw])
		webpChroma(v, m.Cr[nearAt:nearAt+cw], m.Cr[farAt:farAt+cw])
		for x, luma := range m.Y[y*m.YStride:][:w] {
			l, u, v := int32(luma)*19077>>8, int32(u[x]), int32(v[x])
			pixel := out[n*(y*w+x):][:3]
			pixel[0] = clip8((l + v*26149>>8 - 14234) >> 6)
			pixel[1] = clip8((l - u*6419>>8 - v*13320>>8 + 8708) >> 6)
			pixel[2] = clip8((l + u*33050>>8 - 17685) >> 6)
		}
	}
	return out
}

// webpChroma stretches a row of chroma to twice its width, less one for odd widths: weights 9, 3, 3 and 1 sixteenths, in libwebp's two roundings.
func webpChroma(dst, near, far []byte) {
	w := len(dst)
	dst[0] = byte((3*int(near[0]) + int(far[0]) + 2) >> 2)
	for i := range (w - 1) / 2 {
		n0, n1, f0, f1 := int(near[i]), int(near[i+1]), int(far[i]), int(far[i+1])
		sum := n0 + n1 + f0 + f1 + 8
		dst[2*i+1] = byte(((sum+2*(n1+f0))>>3 + n0) >> 1)
		dst[2*i+2] = byte(((sum+2*(n0+f1))>>3 + n1) >> 1)
	}
	if w%2 == 0 {
		last := w/2 - 1
		dst[w-1] = byte((3*int(near[last]) + int(far[last]) + 2) >> 2)
	}
}
