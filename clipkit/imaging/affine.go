package imaging

import "math"

// fill is the colour outside the picture: mean in levels, rounded.
var fill = [3]byte{123, 117, 104}

// affine gives for the centre of an output pixel the place in the source: x' = m[0]x + m[1]y + m[2], y' = m[3]x + m[4]y + m[5].
type affine [6]float64

// rotate turns an RGB picture counter-clockwise about its centre, keeping its size. Image.rotate with BICUBIC.
func rotate(p *Picture, degrees float64) *Picture {
	degrees = math.Mod(math.Mod(degrees, 360)+360, 360)
	if degrees == 0 {
		return p
	}
	// Python's round(x, 15) is decimal; this agrees with it for the angles in use, and a last digit moves a sample by 1e-13 pixels.
	round15 := func(x float64) float64 { return math.RoundToEven(x*1e15) / 1e15 }
	angle := -(degrees * (math.Pi / 180))
	cos, sin, minusSin := round15(math.Cos(angle)), round15(math.Sin(angle)), round15(-math.Sin(angle))
	cx, cy := float64(p.Width)/2, float64(p.Height)/2
	return p.warp(affine{
		cos, sin, float64(cos*-cx) + float64(sin*-cy) + cx,
		minusSin, cos, float64(minusSin*-cx) + float64(cos*-cy) + cy,
	})
}

// shearX moves each row of an RGB picture to the left by factor times its distance from the top.
func shearX(p *Picture, factor float64) *Picture {
	return p.warp(affine{1, factor, 0, 0, 1, 0})
}

// warp samples an RGB picture bicubically (a = −1, 4 × 4 samples, truncated to bytes). Geometry.c, bicubic_filter32RGB.
func (p *Picture) warp(m affine) *Picture {
	out := newPicture(RGB, p.Width, p.Height)
	w, h := float64(p.Width), float64(p.Height)
	for y := range p.Height {
		for x := range p.Width {
			dst := out.Pix[3*(y*p.Width+x):][:3]
			ox, oy := float64(x)+0.5, float64(y)+0.5
			ix := float64(m[0]*ox) + float64(m[1]*oy) + m[2]
			iy := float64(m[3]*ox) + float64(m[4]*oy) + m[5]
			if ix < 0 || ix >= w || iy < 0 || iy >= h {
				copy(dst, fill[:])
				continue
			}
			p.sample(dst, ix-0.5, iy-0.5)
		}
	}
	return out
}

// sample interpolates between the pixels around (x, y), where whole numbers are pixel centres. Columns and rows beyond the border repeat it.
func (p *Picture) sample(dst []byte, x, y float64) {
	x0, y0 := math.Floor(x), math.Floor(y)
	dx, dy := x-x0, y-y0
	column, row := int(x0)-1, int(y0)-1
	var columns [4]int
	for i := range columns {
		columns[i] = 3 * min(max(column+i, 0), p.Width-1)
	}
	var v [3][4]float64
	for i := range 4 {
		pix := p.Pix[3*p.Width*min(max(row+i, 0), p.Height-1):][:3*p.Width]
		a, b, c, d := pix[columns[0]:][:3], pix[columns[1]:][:3], pix[columns[2]:][:3], pix[columns[3]:][:3]
		for channel := range 3 {
			v[channel][i] = spline(float64(a[channel]), float64(b[channel]), float64(c[channel]), float64(d[channel]), dx)
		}
	}
	for channel := range 3 {
		w := &v[channel]
		dst[channel] = byte(min(max(spline(w[0], w[1], w[2], w[3], dy), 0), 255))
	}
}

// spline is Geometry.c's BICUBIC: between b (d = 0) and c (d = 1).
func spline(a, b, c, e, d float64) float64 {
	p2 := c - a
	p3 := float64(2*(a-b)) + c - e
	p4 := b - a - c + e
	return b + float64(d*(p2+float64(d*(p3+float64(d*p4)))))
}
