package imaging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"clipnb/clipkit/imaging/raster"

	"golang.org/x/image/webp"
)

// webpHeader is what the chunks before and at the head of the pixel data say (RFC 9649).
type webpHeader struct {
	width, height int
	alpha         bool
	x, y          int    // where the picture, or an animation's first frame, lies
	w, h          int    // its size
	opacity       []byte // the ALPH chunk before lossy pixels, if there is one
	pixels        []byte // the VP8 or VP8L chunk
	lossless      bool
}

// readWebPHeader also checks that the canvas and the pixel data agree on the size: the decoder allocates alpha for the one and colour for the other.
func readWebPHeader(encoded []byte) (h webpHeader, err error) {
	b := encoded[min(len(encoded), 12):]
	animated, framed := false, false
	for len(b) >= 8 {
		name, size := string(b[:4]), int(binary.LittleEndian.Uint32(b[4:]))
		whole := b[:min(len(b), 8+size)]
		head := whole[8:min(len(whole), 8+16)]
		at24 := func(i int) int { return int(head[i]) | int(head[i+1])<<8 | int(head[i+2])<<16 }
		w, ht := 0, 0
		switch {
		case name == "VP8X" && len(head) >= 10:
			const animation, alpha = 1 << 1, 1 << 4
			animated, h.alpha = head[0]&animation != 0, head[0]&alpha != 0
			h.width, h.height = 1+at24(4), 1+at24(7)
			h.w, h.h = h.width, h.height
		case name == "ANMF" && animated && !framed && len(head) == 16: // its chunks follow
			framed = true
			h.x, h.y, h.w, h.h = 2*at24(0), 2*at24(3), 1+at24(6), 1+at24(9)
			if h.x+h.w > h.width || h.y+h.h > h.height {
				return h, fmt.Errorf("%w: a frame of %d × %d at %d, %d on a canvas of %d × %d", ErrCorrupt, h.w, h.h, h.x, h.y, h.width, h.height)
			}
			b = b[8+16:]
			continue
		case animated && !framed: // other pixels than a frame's are not shown
		case name == "ALPH":
			h.opacity = whole
		case name == "VP8 " && len(head) >= 10:
			w, ht = int(binary.LittleEndian.Uint16(head[6:])&0x3fff), int(binary.LittleEndian.Uint16(head[8:])&0x3fff)
		case name == "VP8L" && len(head) >= 5:
			bits := binary.LittleEndian.Uint32(head[1:])
			w, ht = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)
			h.alpha = h.alpha || !animated && bits>>28&1 != 0
			h.lossless = true
		}
		if w > 0 {
			if h.width == 0 {
				h.width, h.height, h.w, h.h = w, ht, w, ht
			}
			if w != h.w || ht != h.h {
				return h, fmt.Errorf("%w: a picture of %d × %d on a canvas of %d × %d", ErrCorrupt, w, ht, h.w, h.h)
			}
			h.pixels = whole
			return h, nil
		}
		b = b[min(len(b), 8+size+size&1):]
	}
	return h, fmt.Errorf("%w: it holds no picture", ErrCorrupt)
}

func webpSize(encoded []byte) (width, height int, err error) {
	h, err := readWebPHeader(encoded)
	return h.width, h.height, err
}

// alone is the picture, or the first frame, as a file of its own. Lossless pixels get the simple container, because the decoder refuses those with
// alpha in the extended one.
func (h webpHeader) alone() []byte {
	var chunks []byte
	put := func(chunk []byte) { chunks = append(append(chunks, chunk...), make([]byte, len(chunk)&1)...) }
	if h.opacity != nil && !h.lossless {
		const alpha = 1 << 4
		put([]byte{'V', 'P', '8', 'X', 10, 0, 0, 0, alpha, 0, 0, 0, byte(h.w - 1), byte((h.w - 1) >> 8), byte((h.w - 1) >> 16),
			byte(h.h - 1), byte((h.h - 1) >> 8), byte((h.h - 1) >> 16)})
		put(h.opacity)
	}
	put(h.pixels)
	file := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(4+len(chunks)))...)
	return append(append(file, "WEBP"...), chunks...)
}

// decodeWebP gives RGBA where the header announces alpha, otherwise RGB. Around an animation's first frame everything is 0, as in Pillow.
func decodeWebP(encoded []byte) (*raster.Picture, error) {
	h, err := readWebPHeader(encoded)
	if err != nil {
		return nil, err
	}
	m, err := webp.Decode(bytes.NewReader(h.alone()))
	if err != nil {
		return nil, err
	}
	mode := RGB
	if h.alpha {
		mode = RGBA
	}
	n := mode.Bytes()
	var pix []byte // of the frame
	switch m := m.(type) {
	case *image.NRGBA:
		pix = pick(m.Pix, m.Stride, h.w, h.h, 4, []int{0, 1, 2, 3}[:n]...)
	case *image.YCbCr:
		pix = webpRGB(m, n)
	case *image.NYCbCrA:
		pix = webpRGB(&m.YCbCr, n)
		if mode == RGBA {
			for y := range h.h {
				for x := range h.w {
					pix[4*(y*h.w+x)+3] = m.A[y*m.AStride+x]
				}
			}
		}
	default:
		return nil, fmt.Errorf("%w: unexpected pixel type %T", ErrFormat, m)
	}
	if h.w == h.width && h.h == h.height {
		return &raster.Picture{Mode: mode, Width: h.width, Height: h.height, Pix: pix}, nil
	}
	p := raster.New(mode, h.width, h.height)
	for y := range h.h {
		copy(p.Row(h.y + y)[n*h.x:], pix[n*h.w*y:][:n*h.w])
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
