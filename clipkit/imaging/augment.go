package imaging

import (
	"context"
	"math"
	"math/rand/v2"
)

// Augment is the reference's training augmentation (--use-augment, cn_clip/training/data.py:73). The zero value crops nothing, flips nothing
// and changes no colour.
type Augment struct {
	Scale       [2]float64 // least and greatest area of the crop, as a fraction of the picture; 0, 0: no crop
	Ratio       [2]float64 // least and greatest width/height of the crop
	Flip        float64    // probability of mirroring left and right
	AutoAugment bool       // apply one of the 25 sub-policies of AutoAugment's ImageNet policy "original"
	Spared      float64    // share of the pictures to which AutoAugment is not applied
	Recolour    float64    // probability of other colours: no colour, or red, green and blue exchanged
	Redraw      float64    // probability of being bent as another hand would draw it
	Bend        float64    // how far, 1 in Redrawn
}

// Reference holds the settings of the reference.
var Reference = Augment{Scale: [2]float64{0.9, 1}, Ratio: [2]float64{3. / 4, 4. / 3}, Flip: 0.5, AutoAugment: true}

// Drawings is for icons and signs: they have a side, a writing can be on them and colours mean something, so nothing is flipped and two of three
// pictures keep their colours.
var Drawings = Augment{Scale: Reference.Scale, Ratio: Reference.Ratio, AutoAugment: true, Spared: 2. / 3}

// Recoloured is Drawings for those that have to be known in the colours of another artist.
var Recoloured = func() Augment { a := Drawings; a.Recolour = 0.4; return a }()

// Redrawn is Recoloured for those that have to be known from another artist's hand, too.
var Redrawn = func() Augment { a := Recoloured; a.Redraw, a.Bend = 0.7, 1; return a }()

// Reshaped is Redrawn for those who draw boldly: nearly all are bent, nearly twice as far.
var Reshaped = func() Augment { a := Redrawn; a.Redraw, a.Bend = 0.9, 1.8; return a }()

// Transform decodes, augments and normalises: [3, size, size]. The same rng state gives the same result; a generator seeded by seed, epoch and
// sample makes training repeatable, which the reference is not.
func (a Augment) Transform(encoded []byte, size int, rng *rand.Rand) ([]float32, error) {
	return a.TransformContext(context.Background(), encoded, size, rng)
}

// TransformContext is Transform that ends with ctx, as DecodeContext does.
func (a Augment) TransformContext(ctx context.Context, encoded []byte, size int, rng *rand.Rand) ([]float32, error) {
	p, err := decodeFor(ctx, encoded, size)
	if err != nil {
		return nil, err
	}
	return Normalise(a.apply(p, size, rng)), nil
}

// draws is the part of *rand.Rand in use, so that a test can replay the random numbers of the reference.
type draws interface {
	Float64() float64
	IntN(n int) int
}

// apply is Transform without decoding and normalising: an RGB picture of size × size.
func (a Augment) apply(p *Picture, size int, rng draws) *Picture {
	if a.Scale != [2]float64{} {
		p = p.crop(a.box(p.Width, p.Height, rng))
	}
	p = p.Resize(size, size)
	if rng.Float64() < a.Flip {
		p = p.flip()
	}
	p = p.RGB()
	if a.Redraw > 0 && rng.Float64() < a.Redraw {
		p = redraw(p, rng, a.Bend)
	}
	if a.Recolour > 0 && rng.Float64() < a.Recolour {
		p = recolour(p, rng)
	}
	if a.AutoAugment && (a.Spared == 0 || rng.Float64() >= a.Spared) {
		p = autoAugment(p, rng)
	}
	return p
}

// exchanges are the ways to exchange red, green and blue.
var exchanges = [5][3]int{{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

// recolour takes the colours of an RGB picture away, as often as it exchanges them.
func recolour(p *Picture, rng draws) *Picture {
	way := rng.IntN(2 * len(exchanges))
	if way >= len(exchanges) {
		return saturate(p, 0)
	}
	out := newPicture(RGB, p.Width, p.Height)
	for i := 0; i < len(p.Pix); i += 3 {
		for c, from := range exchanges[way] {
			out.Pix[i+c] = p.Pix[i+from]
		}
	}
	return out
}

// box chooses the crop: ten tries with a random area and a random log-aspect, then the largest centred crop of an allowed aspect
// (timm/data/transforms.py, RandomResizedCropAndInterpolation.get_params).
func (a Augment) box(w, h int, rng draws) (x, y, cropW, cropH int) {
	between := func(low, high float64) float64 { return low + float64((high-low)*rng.Float64()) }
	fw, fh := float64(w), float64(h)
	for range 10 {
		area := between(a.Scale[0], a.Scale[1]) * (fw * fh)
		aspect := math.Exp(between(math.Log(a.Ratio[0]), math.Log(a.Ratio[1])))
		cropW, cropH = round(math.Sqrt(area*aspect)), round(math.Sqrt(area/aspect))
		if cropW >= 1 && cropH >= 1 && cropW <= w && cropH <= h {
			y, x = rng.IntN(h-cropH+1), rng.IntN(w-cropW+1)
			return x, y, cropW, cropH
		}
	}
	cropW, cropH = w, h
	switch least, most := a.Ratio[0], a.Ratio[1]; {
	case fw/fh < least:
		cropH = min(max(round(fw/least), 1), h)
	case fw/fh > most:
		cropW = min(max(round(fh*most), 1), w)
	}
	return (w - cropW) / 2, (h - cropH) / 2, cropW, cropH
}

// round is Python's: halves go to the even number.
func round(x float64) int { return int(math.RoundToEven(x)) }
