package imaging

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestOpsEqualPillow(t *testing.T) {
	goldens := readGolden(t, "augment.safetensors")
	tested := map[string]int{}
	var equal tally
	for key, g := range goldens {
		name, rest, ok := strings.Cut(key, "/")
		if !ok {
			continue
		}
		opName, value, _ := strings.Cut(rest, "/")
		arg, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		level := float64(arg)
		p := goldens[name].picture(RGB)
		before := slices.Clone(p.Pix)
		var got *Picture
		switch opName {
		case "posterize":
			got = posterize(p, arg)
		case "solarize":
			got = solarize(p, arg)
		case "autocontrast":
			got = autoContrast(p)
		case "equalize":
			got = equalize(p)
		case "invert":
			got = invert(p)
		case "color":
			got = saturate(p, enhancement(level))
		case "contrast":
			got = contrast(p, enhancement(level))
		case "sharpness":
			got = sharpen(p, enhancement(level))
		case "rotate":
			got = rotate(p, level/10*30)
		case "shearx":
			got = shearX(p, level/10*0.3)
		default:
			t.Fatalf("%s: no such op", key)
		}
		equal.bytes(t, key, got.Pix, g.data)
		if !slices.Equal(p.Pix, before) {
			t.Errorf("%s: changed its input", key)
		}
		tested[opName]++
	}
	equal.report(t, "image pixels: augmentation ops, against Pillow")
	if len(tested) != 10 {
		t.Errorf("tested %v, want all 10 ops", tested)
	}
}

func TestAugmentIsRepeatable(t *testing.T) {
	encoded := readFile(t, "p_120x88.png")
	run := func(seed uint64) []float32 {
		out, err := Reference.Transform(encoded, 48, rand.New(rand.NewPCG(seed, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if !slices.Equal(run(1), run(1)) {
		t.Error("the same seed gave two results")
	}
	if slices.Equal(run(1), run(2)) {
		t.Error("two seeds gave one result")
	}
}

// Without any of its parts, augmentation is Transform.
func TestAugmentZero(t *testing.T) {
	encoded := readFile(t, "rgba_150x90.png")
	got, err := Augment{}.Transform(encoded, 32, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Transform(encoded, 32)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Error("the zero Augment differs from Transform")
	}
}

// Pictures of one wide or tall row must reach the fallback and still give a crop that lies inside.
func TestBoxInside(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][2]int{{500, 375}, {64, 64}, {1, 1}, {1, 900}, {900, 1}, {3, 2}} {
		w, h := size[0], size[1]
		for range 300 {
			x, y, cw, ch := Reference.box(w, h, rng)
			if x < 0 || y < 0 || cw < 1 || ch < 1 || x+cw > w || y+ch > h {
				t.Fatalf("%d × %d: crop %d × %d at %d, %d", w, h, cw, ch, x, y)
			}
		}
	}
	if x, y, cw, ch := Reference.box(1000, 10, rng); cw != 13 || ch != 10 || x != 493 || y != 0 {
		t.Errorf("fallback of 1000 × 10: %d × %d at %d, %d, want 13 × 10 at 493, 0", cw, ch, x, y)
	}
}

// Shares of crop areas, flips and sub-policies, so that a wrong probability shows.
func TestAugmentStatistics(t *testing.T) {
	const n = 4000
	rng := rand.New(rand.NewPCG(7, 8))
	area, flipped, inverted := 0.0, 0, 0
	p := newPicture(RGB, 100, 100)
	for x := range 100 {
		for y := range 100 {
			p.Pix[3*(y*100+x)] = byte(2 * x)
		}
	}
	for range n {
		_, _, w, h := Reference.box(100, 100, rng)
		area += float64(w*h) / 1e4
		q := Augment{Flip: 0.5}.apply(p, 2, rng)
		if q.Pix[0] > q.Pix[3] {
			flipped++
		}
	}
	dark := newPicture(RGB, 2, 2)
	for range n {
		if autoAugment(dark, rng).Pix[0] == 255 { // of the ops, only invert and solarize at 0 make black white
			inverted++
		}
	}
	if mean := area / n; mean < 0.93 || mean > 0.96 {
		t.Errorf("mean area %.3f of the picture, want about 0.945", mean)
	}
	if share := float64(flipped) / n; share < 0.47 || share > 0.53 {
		t.Errorf("flipped %.3f, want 0.5", share)
	}
	if share := float64(inverted) / n; share < 0.06 || share > 0.09 { // 0.6 in two of 25 sub-policies and 0.6 in a third
		t.Errorf("inverted %.3f, want 1.8/25 = 0.072", share)
	}
}

// Drawings keep their sides, and two of three their colours; AutoAugment leaves some of the others as they are, too.
func TestDrawingsKeepSideAndColours(t *testing.T) {
	p := &Picture{Mode: RGB, Width: 8, Height: 8, Pix: make([]byte, 3*8*8)}
	for i := range p.Pix {
		p.Pix[i] = byte(3 * i / 2) // no side is like the other
	}
	a := Drawings
	a.Scale = [2]float64{}
	same, flipped, tries := 0, 0, 600
	for seed := range tries {
		got := a.apply(p, 8, rand.New(rand.NewPCG(uint64(seed), 1))).Pix
		if slices.Equal(got, p.Pix) {
			same++
		}
		if slices.Equal(got, p.flip().Pix) {
			flipped++
		}
	}
	if share := float64(same) / float64(tries); flipped > 0 || share < 0.62 || share > 0.8 {
		t.Errorf("%.2f of the pictures are as they were, %d flipped", share, flipped)
	}
}

// Other colours are grey or an exchange of red, green and blue, each as often as it should be; the rest is as it was.
func TestRecoloured(t *testing.T) {
	p := &Picture{Mode: RGB, Width: 4, Height: 4, Pix: bytes.Repeat([]byte{200, 100, 30}, 16)}
	a := Recoloured
	a.Scale, a.AutoAugment = [2]float64{}, false
	const tries = 2000
	got := map[[3]byte]int{}
	for seed := range tries {
		out := a.apply(p, 4, rand.New(rand.NewPCG(uint64(seed), 2)))
		got[[3]byte(out.Pix)]++
	}
	share := func(c ...byte) float64 { return float64(got[[3]byte(c)]) / tries }
	if s := share(200, 100, 30); s < 0.56 || s > 0.64 {
		t.Errorf("%.2f have their own colours, want 0.6", s)
	}
	if s := share(122, 122, 122); s < 0.17 || s > 0.23 {
		t.Errorf("%.2f are grey, want 0.2", s)
	}
	for _, c := range [][]byte{{200, 30, 100}, {100, 200, 30}, {100, 30, 200}, {30, 200, 100}, {30, 100, 200}} {
		if s := share(c...); s < 0.02 || s > 0.06 {
			t.Errorf("%.3f are %v, want 0.04", s, c)
		}
	}
	if len(got) != 7 {
		t.Errorf("%v, want 7 kinds", got)
	}
}

// A redrawn picture keeps its size and its paper, a dot in its middle stays near the middle, farther off if it is bent more, and no two are alike.
func TestRedraw(t *testing.T) {
	once, bold := redrawn(t, Redrawn.Bend), redrawn(t, Reshaped.Bend)
	if once < 1 || once > 8 || bold < 1.3*once || bold > 12 {
		t.Errorf("the dot moved by %.1f pixels at most, by %.1f bent further; want some, more, and not out of the middle", once, bold)
	}
}

// redrawn checks two hundred redrawn pictures, and returns how many pixels the dot moved at most.
func redrawn(t *testing.T, bend float64) (furthest float64) {
	const size = 64
	p := &Picture{Mode: RGB, Width: size, Height: size, Pix: bytes.Repeat([]byte{255}, 3*size*size)}
	for y := 29; y < 35; y++ {
		for x := 29; x < 35; x++ {
			copy(p.Pix[3*(y*size+x):], []byte{200, 0, 0})
		}
	}
	seen := map[string]bool{}
	for seed := range 200 {
		got := redraw(p, rand.New(rand.NewPCG(uint64(seed), 3)), bend)
		if got.Width != size || got.Height != size || got.Mode != RGB {
			t.Fatalf("%d × %d, mode %v", got.Width, got.Height, got.Mode)
		}
		var sumX, sumY, ink float64
		for i := 0; i < len(got.Pix); i += 3 {
			dark := float64(255 - got.Pix[i+1])
			sumX, sumY, ink = sumX+dark*float64(i/3%size), sumY+dark*float64(i/3/size), ink+dark
		}
		if grown := math.Pow(2, bend); ink < 255*36/grown || ink > 255*36*grown {
			t.Errorf("seed %d: the dot has %.0f pixels, 36 before", seed, ink/255)
		}
		furthest = max(furthest, math.Hypot(sumX/ink-31.5, sumY/ink-31.5))
		if got.Pix[0] < 250 || got.Pix[len(got.Pix)-1] < 250 {
			t.Errorf("seed %d: a corner is not paper", seed)
		}
		seen[string(got.Pix)] = true
	}
	if len(seen) < 190 {
		t.Errorf("%d of 200 differ", len(seen))
	}
	return furthest
}
