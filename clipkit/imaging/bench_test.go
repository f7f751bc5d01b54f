package imaging

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"
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

// Scaling with cores: go test -bench Parallel -cpu 1,2,4.
func BenchmarkTransformParallel(b *testing.B) {
	likeTraining(b)
	encoded := photoJPEG(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := Transform(encoded, 224); err != nil {
				b.Error(err)
				return
			}
		}
	})
	perSecond(b)
}

// BenchmarkAgainstPillow runs the reference's transform on the same file in turns with ours, on one core each, and reports the medians. The
// environment variable CLIPKIT_TORCH_PYTHON names the Python (python3 if empty); with torch and cn-clip it is the reference's own transform.
func BenchmarkAgainstPillow(b *testing.B) {
	likeTraining(b)
	encoded := photoJPEG(b)
	file := filepath.Join(b.TempDir(), "photo.jpg")
	if err := os.WriteFile(file, encoded, 0o644); err != nil {
		b.Fatal(err)
	}
	python := exec.Command(cmp.Or(os.Getenv("CLIPKIT_TORCH_PYTHON"), "python3"), "testdata/pillow_speed.py", file)
	in, err := python.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := python.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if err := python.Start(); err != nil || !lines.Scan() {
		b.Skipf("%v does not run (%v): it needs Python with Pillow and numpy; set CLIPKIT_TORCH_PYTHON", python, err)
	}
	defer func() { in.Close(); python.Wait() }()
	b.Log(lines.Text())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const pictures = 100
	var ours, theirs []float64
	for b.Loop() {
		fmt.Fprintln(in, pictures)
		if !lines.Scan() {
			b.Fatal("Python ended early")
		}
		seconds, err := strconv.ParseFloat(lines.Text(), 64)
		if err != nil {
			b.Fatal(err)
		}
		theirs = append(theirs, pictures/seconds)
		start := time.Now()
		for range pictures {
			if _, err := Transform(encoded, 224); err != nil {
				b.Fatal(err)
			}
		}
		ours = append(ours, pictures/time.Since(start).Seconds())
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(median(ours), "images/s")
	b.ReportMetric(median(theirs), "pillow/s")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
}

// The parts of BenchmarkTransform500x375.
func BenchmarkParts500x375(b *testing.B) {
	likeTraining(b)
	encoded := photoJPEG(b)
	p, err := Decode(encoded)
	if err != nil {
		b.Fatal(err)
	}
	small := p.Resize(224, 224)
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"decode", func() { Decode(encoded) }},
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

// Batches beside BenchmarkTransformParallel: what the pool costs.
func BenchmarkBatches(b *testing.B) {
	likeTraining(b)
	encoded := photoJPEG(b)
	for _, err := range Batches(b.Context(), b.N, 64, 224, func(int) ([]float32, error) { return Transform(encoded, 224) }) {
		if err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}
