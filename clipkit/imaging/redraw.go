package imaging

import "math"

// The limits of what redraw changes: enough that two of its pictures differ as two artists' drawings do, and people still name it alike.
const (
	redrawTurn    = 12 * math.Pi / 180 // radians, either way
	redrawStretch = 0.16               // natural logarithm of width's and height's factors
	redrawSlant   = 0.12               // sideways, of a picture's height
	redrawWave    = 0.025              // of a picture's side, for each of four slow waves
)

// redraw bends an RGB picture as another hand would draw it: turned and slanted a little, wider or narrower, higher or lower, and with other
// proportions, by slow waves along and across; bend is how far, 1 up to the limits. What comes from beyond the border repeats it, which is paper in a drawing.
func redraw(p *Picture, rng draws, bend float64) *Picture {
	between := func(limit float64) float64 { return bend * limit * (2*rng.Float64() - 1) }
	turn, slant := between(redrawTurn), between(redrawSlant)
	wide, high := math.Exp(between(redrawStretch)), math.Exp(between(redrawStretch))
	cos, sin := math.Cos(turn), math.Sin(turn)
	wave := func(n int) []float64 { // half a wave to two
		height, times, from := between(redrawWave), 0.5+1.5*rng.Float64(), rng.Float64()
		at := make([]float64, n)
		for i := range at {
			at[i] = height * float64(n) * math.Sin(2*math.Pi*(times*float64(i)/float64(n)+from))
		}
		return at
	}
	xByX, yByX, xByY, yByY := wave(p.Width), wave(p.Width), wave(p.Height), wave(p.Height)

	out := newPicture(RGB, p.Width, p.Height)
	middleX, middleY := float64(p.Width-1)/2, float64(p.Height-1)/2
	for y := range p.Height {
		v := (float64(y) - middleY) * high
		for x := range p.Width {
			u := (float64(x)-middleX)*wide + slant*v
			fromX := middleX + cos*u + sin*v + xByX[x] + xByY[y]
			fromY := middleY - sin*u + cos*v + yByX[x] + yByY[y]
			p.sample(out.Pix[3*(y*p.Width+x):], min(max(fromX, 0), float64(p.Width-1)), min(max(fromY, 0), float64(p.Height-1)))
		}
	}
	return out
}
