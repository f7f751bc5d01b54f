package imaging

import (
	"encoding/binary"
	"math"
	"slices"
)

// Resize gives the picture a new size, keeping its mode, exactly as Pillow's resize with BICUBIC: modes P and 1 by nearest neighbour, LA and RGBA
// premultiplied, the others by an antialiased cubic filter. Sizes below 1 count as 1.
func (p *Picture) Resize(w, h int) *Picture {
	w, h = max(w, 1), max(h, 1)
	out := &Picture{Mode: p.Mode, Width: w, Height: h, Palette: p.Palette}
	switch {
	case w == p.Width && h == p.Height:
		out.Pix = slices.Clone(p.Pix)
	case p.Mode == Bilevel || p.Mode == Palette:
		out.Pix = nearest(p.Pix, p.Width, p.Height, w, h)
	case p.Mode == Grey16:
		out.Pix = resample16(p.Pix, p.Width, p.Height, w, h)
	case p.Mode == GreyAlpha || p.Mode == RGBA:
		n := p.Mode.bytes()
		out.Pix = resample(premultiply(p.Pix, n), p.Width, p.Height, n, w, h)
		unpremultiply(out.Pix, n)
	default:
		out.Pix = resample(p.Pix, p.Width, p.Height, p.Mode.bytes(), w, h)
	}
	return out
}

// nearest repeats Geometry.c's ImagingScaleAffine, with positions that are summed up, not multiplied out.
func nearest(src []byte, inW, inH, outW, outH int) []byte {
	positions := func(in, out int) []int {
		step := float64(in) / float64(out)
		at := step * 0.5
		list := make([]int, out)
		for i := range list {
			list[i] = min(int(at), in-1)
			at += step
		}
		return list
	}
	columns := positions(inW, outW)
	dst := make([]byte, 0, outW*outH)
	for _, y := range positions(inH, outH) {
		row := src[y*inW:][:inW]
		for _, x := range columns {
			dst = append(dst, row[x])
		}
	}
	return dst
}

// taps are the weights of one axis: output i is Σ weight[i·size+t] · input[first[i]+t] for t < count[i].
type taps struct {
	size         int
	first, count []int
	weight       []float64
}

// bicubicTaps is Resample.c's precompute_coeffs: the Catmull-Rom cubic (a = −½), widened by the scale when shrinking.
// The float64() around products keeps compilers from fusing them into the sum, which would round differently from the reference.
func bicubicTaps(in, out int) taps {
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support := 2 * wide
	size := int(math.Ceil(support))*2 + 1
	t := taps{size: size, first: make([]int, out), count: make([]int, out), weight: make([]float64, out*size)}
	inverse := 1 / wide
	for i := range out {
		centre := float64((float64(i) + 0.5) * scale)
		first := max(int(centre-support+0.5), 0)
		last := min(int(centre+support+0.5), in)
		row := t.weight[i*size : i*size+last-first]
		sum := 0.0
		for j := range row {
			row[j] = cubic((float64(j+first) - centre + 0.5) * inverse)
			sum += row[j]
		}
		if sum != 0 {
			for j := range row {
				row[j] /= sum
			}
		}
		t.first[i], t.count[i] = first, len(row)
	}
	return t
}

func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

// precision is the number of fractional bits of a weight: 32 minus 8 for the byte and 2 for weights below 0 and above 1.
const precision = 32 - 8 - 2

// fixed rounds the weights to integers, half away from zero.
func (t taps) fixed() []int32 {
	out := make([]int32, len(t.weight))
	for i, w := range t.weight {
		out[i] = int32(float64(w*(1<<precision)) + math.Copysign(0.5, w))
	}
	return out
}

// Two 32-bit sums fit in one 64-bit word: (a + b·2³²)·k = a·k + b·k·2³² modulo 2⁶⁴, also for negative k, and Pillow's sums fit 32 bits by the
// choice of precision. This halves the multiplications, which is what lets plain Go keep up with Pillow.
const half2 = 1<<(precision-1) | 1<<(precision-1+32)

func unpack(sum uint64) (low, high byte) {
	l := int32(sum)
	h := int32((sum - uint64(int64(l))) >> 32)
	return clip8(l >> precision), clip8(h >> precision)
}

// columnsFirst is Pillow 13's choice of the order of the two passes, which shows in the result because each pass rounds.
// Earlier versions always begin with the rows.
func columnsFirst(inW, inH, outW, outH int) bool {
	return inH > outH && inH-outH > 2*(inW-outW)
}

// resample resizes pictures of n bytes per pixel, in two passes that each round to bytes.
func resample(src []byte, inW, inH, n, outW, outH int) []byte {
	if columnsFirst(inW, inH, outW, outH) {
		src, inH = resampleColumns(src, inW*n, inH, outH), outH
	}
	if inW != outW {
		src = resampleRows(src, inW, inH, n, outW)
	}
	if inH != outH {
		src = resampleColumns(src, outW*n, inH, outH)
	}
	return src
}

// resampleRows handles eight rows at a time, two in each of four words.
func resampleRows(src []byte, inW, inH, n, outW int) []byte {
	t := bicubicTaps(inW, outW)
	weights := t.fixed()
	dst := make([]byte, outW*inH*n)
	words := make([][4]uint64, inW)
	for y := 0; y < inH; y += 8 {
		var in, out [8][]byte
		for i := range in {
			row := min(y+i, inH-1) // the last rows may be taken several times
			in[i], out[i] = src[row*inW*n:][:inW*n], dst[row*outW*n:][:outW*n]
		}
		for c := range n {
			for i := range 4 {
				a, b := in[2*i], in[2*i+1]
				for x, at := 0, c; x < len(words) && at < len(a) && at < len(b); x, at = x+1, at+n {
					words[x][i] = uint64(a[at]) | uint64(b[at])<<32
				}
			}
			for x := range outW {
				k := weights[x*t.size:][:t.count[x]]
				in := words[t.first[x]:][:len(k)]
				s0, s1, s2, s3 := uint64(half2), uint64(half2), uint64(half2), uint64(half2)
				for i, w := range k {
					w := uint64(int64(w))
					s0 += in[i][0] * w
					s1 += in[i][1] * w
					s2 += in[i][2] * w
					s3 += in[i][3] * w
				}
				at := x*n + c
				out[0][at], out[1][at] = unpack(s0)
				out[2][at], out[3][at] = unpack(s1)
				out[4][at], out[5][at] = unpack(s2)
				out[6][at], out[7][at] = unpack(s3)
			}
		}
	}
	return dst
}

// resampleColumns handles eight bytes of a row at a time, in four words.
func resampleColumns(src []byte, rowBytes, inH, outH int) []byte {
	const evens = 0x000000ff000000ff // bytes 0 and 4
	t := bicubicTaps(inH, outH)
	weights := t.fixed()
	dst := make([]byte, rowBytes*outH)
	for y := range outH {
		k := weights[y*t.size:][:t.count[y]]
		in := src[t.first[y]*rowBytes:][:len(k)*rowBytes]
		out := dst[y*rowBytes:][:rowBytes]
		x := 0
		for ; x+8 <= rowBytes; x += 8 {
			s0, s1, s2, s3 := uint64(half2), uint64(half2), uint64(half2), uint64(half2)
			at := x
			for _, w := range k {
				w := uint64(int64(w))
				v := binary.LittleEndian.Uint64(in[at:])
				s0 += v & evens * w
				s1 += v >> 8 & evens * w
				s2 += v >> 16 & evens * w
				s3 += v >> 24 & evens * w
				at += rowBytes
			}
			o := out[x : x+8 : x+8]
			o[0], o[4] = unpack(s0)
			o[1], o[5] = unpack(s1)
			o[2], o[6] = unpack(s2)
			o[3], o[7] = unpack(s3)
		}
		for ; x < rowBytes; x++ {
			sum := uint64(half2)
			for i, w := range k {
				sum += uint64(in[i*rowBytes+x]) * uint64(int64(w))
			}
			out[x], _ = unpack(sum)
		}
	}
	return dst
}

// resample16 is the same for 16-bit levels, which Pillow sums in float64.
func resample16(src []byte, inW, inH, outW, outH int) []byte {
	// pass resizes lines that begin lineStep levels apart, and whose levels are step apart.
	pass := func(src []byte, lines, in, out, lineStep, step, outLineStep int) []byte {
		t := bicubicTaps(in, out)
		dst := make([]byte, 2*lines*out)
		for l := range lines {
			for i := range out {
				sum := 0.0
				for j, w := range t.weight[i*t.size:][:t.count[i]] {
					level := binary.LittleEndian.Uint16(src[2*(l*lineStep+(t.first[i]+j)*step):])
					sum += float64(float64(level) * w)
				}
				level := min(max(math.Trunc(sum+math.Copysign(0.5, sum)), 0), math.MaxUint16)
				binary.LittleEndian.PutUint16(dst[2*(l*outLineStep+i*step):], uint16(level))
			}
		}
		return dst
	}
	if columnsFirst(inW, inH, outW, outH) {
		src, inH = pass(src, inW, inH, outH, 1, inW, 1), outH
	}
	if inW != outW {
		src = pass(src, inH, inW, outW, inW, 1, outW)
	}
	if inH != outH {
		src = pass(src, outW, inH, outH, 1, outW, 1)
	}
	return src
}

// premultiply scales colour by alpha, the last of n bytes.
func premultiply(pix []byte, n int) []byte {
	out := slices.Clone(pix)
	for i := 0; i < len(out); i += n {
		alpha := out[i+n-1]
		for c := i; c < i+n-1; c++ {
			out[c] = mul255(out[c], alpha)
		}
	}
	return out
}

// unpremultiply divides colour by alpha again, in place.
func unpremultiply(pix []byte, n int) {
	for i := 0; i < len(pix); i += n {
		alpha := int32(pix[i+n-1])
		if alpha == 0 || alpha == 255 {
			continue
		}
		for c := i; c < i+n-1; c++ {
			pix[c] = clip8(255 * int32(pix[c]) / alpha)
		}
	}
}
