package imaging

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"testing"
)

// photo makes smooth shapes with edges and some noise, which compress about as a photograph does.
func photo(w, h int, noise float64, alpha bool) *image.NRGBA {
	rng := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			fx, fy := float64(x), float64(y)
			light := 120 + 70*math.Sin(fx/37)*math.Cos(fy/29) + noise*rng.NormFloat64()
			if math.Hypot(fx-float64(w)/3, fy-float64(h)/2) < float64(h)/4 {
				light += 60
			}
			level := func(v float64) uint8 { return uint8(min(max(v, 0), 255)) }
			c := color.NRGBA{level(light), level(light*0.8 + fy/8), level(200 - light/2), 255}
			if alpha && math.Hypot(fx-float64(w)/2, fy-float64(h)/2) > float64(h)/2 {
				c = color.NRGBA{}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func photoJPEG(b *testing.B) []byte {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, photo(500, 375, 5, false), &jpeg.Options{Quality: 85}); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

// likeTraining keeps the collector as rare as it is in a process with a large heap. With only the few MB of a benchmark alive it would run after
// every third picture and double the times.
func likeTraining(b *testing.B) {
	previous := debug.SetGCPercent(1000)
	b.Cleanup(func() { debug.SetGCPercent(previous) })
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s") }

func BenchmarkTransform500x375(b *testing.B) {
	likeTraining(b)
	encoded := photoJPEG(b)
	for b.Loop() {
		if _, err := Transform(encoded, 224); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

// The parts of BenchmarkTransform500x375.
func BenchmarkParts500x375(b *testing.B) {
	likeTraining(b)
	encoded := photoJPEG(b)
	p, err := Decode(encoded)
	if err != nil {
		b.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(encoded))
	if err != nil {
		b.Fatal(err)
	}
	small := p.Resize(224, 224)
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"entropy+dct", func() { jpeg.Decode(bytes.NewReader(encoded)) }},
		{"rgb", func() { FromImage(m) }},
		{"resize", func() { p.Resize(224, 224) }},
		{"normalise", func() { Normalise(small) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.run()
			}
		})
	}
}

func BenchmarkAugment64(b *testing.B) {
	likeTraining(b)
	var buf bytes.Buffer
	if err := png.Encode(&buf, photo(64, 64, 0, true)); err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		if _, err := Reference.Transform(buf.Bytes(), 64, rng); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

func BenchmarkRotate64(b *testing.B) {
	p := FromImage(photo(64, 64, 5, false)).RGB()
	for b.Loop() {
		rotate(p, 24)
	}
}
