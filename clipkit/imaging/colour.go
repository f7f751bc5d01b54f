package imaging

import "slices"

// Changes of colour and sharpness of RGB pictures, equal to Pillow's ImageOps and ImageEnhance.

// table is a function of the level, by channel.
type table [3][256]byte

func (t *table) apply(p *Picture) *Picture {
	out := newPicture(RGB, p.Width, p.Height)
	for i := 0; i+3 <= len(p.Pix); i += 3 {
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = t[0][p.Pix[i]], t[1][p.Pix[i+1]], t[2][p.Pix[i+2]]
	}
	return out
}

// sameForAll makes a table of one function for the three channels.
func sameForAll(f func(level int) int) *table {
	var t table
	for i := range 256 {
		v := byte(f(i))
		t[0][i], t[1][i], t[2][i] = v, v, v
	}
	return &t
}

// histograms counts the levels of each channel.
func histograms(p *Picture) (h [3][256]int) {
	for i := 0; i+3 <= len(p.Pix); i += 3 {
		h[0][p.Pix[i]]++
		h[1][p.Pix[i+1]]++
		h[2][p.Pix[i+2]]++
	}
	return h
}

// posterize keeps the highest bits of each level, 8 or more of which are all.
func posterize(p *Picture, bits int) *Picture {
	if bits >= 8 {
		return p
	}
	return sameForAll(func(level int) int { return level &^ (1<<(8-bits) - 1) }).apply(p)
}

// solarize inverts levels from the threshold up.
func solarize(p *Picture, threshold int) *Picture {
	return sameForAll(func(level int) int {
		if level < threshold {
			return level
		}
		return 255 - level
	}).apply(p)
}

func invert(p *Picture) *Picture {
	return sameForAll(func(level int) int { return 255 - level }).apply(p)
}

// autoContrast stretches the levels of each channel to 0…255.
func autoContrast(p *Picture) *Picture {
	var t table
	for c, h := range histograms(p) {
		used := func(n int) bool { return n > 0 }
		low := slices.IndexFunc(h[:], used)
		high := low
		for level, n := range h {
			if n > 0 {
				high = level
			}
		}
		if high <= low { // one level only: left as it is
			for level := range t[c] {
				t[c][level] = byte(level)
			}
			continue
		}
		scale := 255 / float64(high-low)
		offset := float64(-float64(low) * scale)
		for level := range t[c] {
			t[c][level] = byte(min(max(int(float64(float64(level)*scale)+offset), 0), 255))
		}
	}
	return t.apply(p)
}

// equalize spreads the levels of each channel so that they are about equally frequent.
func equalize(p *Picture) *Picture {
	var t table
	for c, h := range histograms(p) {
		total, last := 0, 0
		for _, n := range h {
			if n > 0 {
				total, last = total+n, n
			}
		}
		step := (total - last) / 255
		n := step / 2
		for level := range t[c] {
			t[c][level] = byte(level)
			if step > 0 {
				t[c][level] = byte(min(n/step, 255))
			}
			n += h[level]
		}
	}
	return t.apply(p)
}

// luma is ITU-R 601 brightness in 16-bit fixed point (Convert.c, L24).
func luma(r, g, b byte) byte {
	return byte((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 0x8000) >> 16)
}

// saturate moves away from (factor > 1) or towards (factor < 1) the grey picture. ImageEnhance.Color.
func saturate(p *Picture, factor float32) *Picture {
	grey := newPicture(RGB, p.Width, p.Height)
	for i := 0; i+3 <= len(p.Pix); i += 3 {
		l := luma(p.Pix[i], p.Pix[i+1], p.Pix[i+2])
		grey.Pix[i], grey.Pix[i+1], grey.Pix[i+2] = l, l, l
	}
	return blend(grey, p, factor)
}

// contrast moves away from or towards the picture's mean brightness. ImageEnhance.Contrast.
func contrast(p *Picture, factor float32) *Picture {
	sum, n := 0, len(p.Pix)/3
	for i := 0; i+3 <= len(p.Pix); i += 3 {
		sum += int(luma(p.Pix[i], p.Pix[i+1], p.Pix[i+2]))
	}
	mean := byte(float64(sum)/float64(n) + 0.5)
	flat := newPicture(RGB, p.Width, p.Height)
	for i := range flat.Pix {
		flat.Pix[i] = mean
	}
	return blend(flat, p, factor)
}

// sharpen moves away from or towards a blurred picture: weights 1 around 5, over 13; the border stays. ImageEnhance.Sharpness.
func sharpen(p *Picture, factor float32) *Picture {
	blurred := &Picture{Mode: RGB, Width: p.Width, Height: p.Height, Pix: slices.Clone(p.Pix)}
	var side, centre float32 = 1, 5
	side, centre = side/13, centre/13
	stride := 3 * p.Width
	row := func(pix []byte, middle float32) float32 { // the samples left of, at and right of pix[3]
		return float32(float32(pix[0])*side) + float32(float32(pix[3])*middle) + float32(float32(pix[6])*side)
	}
	for y := 1; y < p.Height-1; y++ {
		for i := y*stride + 3; i < (y+1)*stride-3; i++ {
			sum := float32(0.5) + row(p.Pix[i+stride-3:], side)
			sum += row(p.Pix[i-3:], centre)
			sum += row(p.Pix[i-stride-3:], side)
			blurred.Pix[i] = byte(min(max(sum, 0), 255))
		}
	}
	return blend(blurred, p, factor)
}

// blend is from + factor·(to − from), truncated and limited to bytes, in float32 as in Blend.c.
func blend(from, to *Picture, factor float32) *Picture {
	out := newPicture(RGB, to.Width, to.Height)
	for i, a := range from.Pix {
		v := float32(a) + float32(factor*float32(int(to.Pix[i])-int(a)))
		out.Pix[i] = byte(min(max(v, 0), 255))
	}
	return out
}
