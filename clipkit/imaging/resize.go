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
	case numbersOf[p.Mode].bytes > 0:
		out.Pix = resampleNumbers(numbersOf[p.Mode], p.Pix, p.Width, p.Height, w, h)
	case p.Mode == GreyAlpha || p.Mode == RGBA:
		n := p.Mode.Bytes()
		out.Pix = resample(premultiply(p.Pix, n), p.Width, p.Height, n, w, h)
		unpremultiply(out.Pix, n)
	default:
		out.Pix = resample(p.Pix, p.Width, p.Height, p.Mode.Bytes(), w, h)
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
	first, count []int32
	weight       []float64
}

// inside says whether every output takes part of in inputs only.
func (t taps) inside(in, out int) bool {
	for i, n := range t.count {
		if n < 0 || int(n) > t.size || t.first[i] < 0 || int(t.first[i]+n) > in {
			return false
		}
	}
	return len(t.first) == out && len(t.count) == out && len(t.weight) == out*t.size
}

// bicubicTaps is Resample.c's precompute_coeffs: the Catmull-Rom cubic (a = −½), widened by the scale when shrinking.
// The float64() around products keeps compilers from fusing them into the sum, which would round differently from the reference.
func bicubicTaps(in, out int) taps {
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support := 2 * wide
	size := int(math.Ceil(support))*2 + 1
	t := taps{size: size, first: make([]int32, out), count: make([]int32, out), weight: make([]float64, out*size)}
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
		t.first[i], t.count[i] = int32(first), int32(len(row))
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

// numbers reads and writes the levels of a mode whose pixels are one number of more than a byte.
type numbers struct {
	bytes int
	get   func([]byte) float64
	put   func([]byte, float64)
}

// numbersOf: Pillow sums these levels in float64 and rounds whole numbers half away from zero.
var numbersOf = map[Mode]numbers{
	Grey16: {2, func(b []byte) float64 { return float64(binary.LittleEndian.Uint16(b)) },
		func(b []byte, v float64) {
			binary.LittleEndian.PutUint16(b, uint16(min(max(halfAway(v), 0), math.MaxUint16)))
		}},
	Int32: {4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) },
		func(b []byte, v float64) {
			binary.LittleEndian.PutUint32(b, uint32(int32(min(max(halfAway(v), math.MinInt32), math.MaxInt32))))
		}},
	Float32: {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) },
		func(b []byte, v float64) { binary.LittleEndian.PutUint32(b, math.Float32bits(float32(v))) }},
}

func halfAway(v float64) float64 { return math.Trunc(v + math.Copysign(0.5, v)) }

// resampleNumbers is the same for these modes.
func resampleNumbers(n numbers, src []byte, inW, inH, outW, outH int) []byte {
	// pass resizes lines that begin lineStep levels apart, and whose levels are step apart.
	pass := func(src []byte, lines, in, out, lineStep, step, outLineStep int) []byte {
		t := bicubicTaps(in, out)
		dst := make([]byte, n.bytes*lines*out)
		for l := range lines {
			for i := range out {
				sum := 0.0
				for j, w := range t.weight[i*t.size:][:t.count[i]] {
					sum += float64(n.get(src[n.bytes*(l*lineStep+(int(t.first[i])+j)*step):]) * w)
				}
				n.put(dst[n.bytes*(l*outLineStep+i*step):], sum)
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
