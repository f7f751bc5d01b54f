package imaging

import "image"

// libjpeg's fixed-point YCbCr → RGB tables (jdcolor.c, build_ycc_rgb_table), 16 fractional bits, indexed by the chroma byte.
var crToR, cbToB, crToG, cbToG = func() (r, b, gr, gb [256]int32) {
	for i := range int32(256) {
		x := i - 128
		r[i] = (91881*x + 1<<15) >> 16  // 1.40200
		b[i] = (116130*x + 1<<15) >> 16 // 1.77200
		gr[i] = -46802 * x              // 0.71414
		gb[i] = -22554*x + 1<<15        // 0.34414
	}
	return
}()

// jpegRGB converts to RGB bytes as libjpeg-turbo does by default: "fancy" chroma upsampling (jdsample.c), then the tables above.
// Go's own conversion repeats chroma samples, which differs visibly along coloured edges.
func jpegRGB(m *image.YCbCr) []byte {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := make([]byte, 3*w*h)
	h2, v2 := 1, 1 // luma samples per chroma sample
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		h2 = 2
	case image.YCbCrSubsampleRatio420:
		h2, v2 = 2, 2
	case image.YCbCrSubsampleRatio440:
		v2 = 2
	case image.YCbCrSubsampleRatio411:
		h2 = 4
	case image.YCbCrSubsampleRatio410:
		h2, v2 = 4, 2
	}
	cw, ch := (w+h2-1)/h2, (h+v2-1)/v2
	sums := make([]int32, cw)
	cb, cr := make([]byte, w+h2), make([]byte, w+h2)
	for y := range h {
		near := y / v2
		far := near
		if v2 == 2 {
			far = min(max(near-1+2*(y%2), 0), ch-1)
		}
		nearAt, farAt := near*m.CStride, far*m.CStride
		upsample(cb, sums, m.Cb[nearAt:nearAt+cw], m.Cb[farAt:farAt+cw], h2, v2, y%2)
		upsample(cr, sums, m.Cr[nearAt:nearAt+cw], m.Cr[farAt:farAt+cw], h2, v2, y%2)

		row := out[3*w*y : 3*w*(y+1)]
		luma := m.Y[y*m.YStride:][:w]
		blue, red := cb[:len(luma)], cr[:len(luma)]
		for x, l := range luma {
			u, v, l := blue[x], red[x], int32(l)
			rgb := row[3*x : 3*x+3 : 3*x+3]
			rgb[0] = clip8(l + crToR[v])
			rgb[1] = clip8(l + (cbToG[u]+crToG[v])>>16)
			rgb[2] = clip8(l + cbToB[u])
		}
	}
	return out
}

// upsample stretches one row of chroma to the width of luma. far is the chroma row on the other side of the output row.
func upsample(dst []byte, sums []int32, near, far []byte, h2, v2, odd int) {
	n := len(near)
	switch {
	case h2 == 1 && v2 == 1:
		copy(dst, near)
	case h2 == 1:
		for i, c := range near {
			dst[i] = byte((3*int32(c) + int32(far[i]) + 1 + int32(odd)) >> 2)
		}
	case h2 == 2 && n > 2:
		// Weights ¾ and ¼, across and also down if v2 is 2; four bits of fraction.
		left, right := int32(4), int32(8)
		if v2 == 2 {
			left, right = 8, 7
		}
		for i, c := range near {
			sums[i] = 4 * int32(c)
			if v2 == 2 {
				sums[i] = 3*int32(c) + int32(far[i])
			}
		}
		previous, s := sums[0], sums[0]
		for i, next := range sums[1:] {
			pair := dst[2*i : 2*i+2 : 2*i+2]
			pair[0], pair[1] = byte((3*s+previous+left)>>4), byte((3*s+next+right)>>4)
			previous, s = s, next
		}
		dst[2*n-2], dst[2*n-1] = byte((3*s+previous+left)>>4), byte((4*s+right)>>4)
	default:
		for i := range dst {
			dst[i] = near[min(i/h2, n-1)]
		}
	}
}

// clip8 limits v to a byte.
func clip8(v int32) byte {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}
