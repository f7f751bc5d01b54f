package loader

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// photographs has n pictures that are one JPEG of 500×375, the size of Flickr30k's.
type photographs struct {
	toy
	jpeg []byte
}

func (s photographs) Image(int64) ([]byte, error) { return bytes.Clone(s.jpeg), nil }

func newPhotographs(b *testing.B, n int) photographs {
	m := image.NewRGBA(image.Rect(0, 0, 500, 375))
	rng := rand.New(rand.NewPCG(1, 2))
	for y := range 375 {
		for x := range 500 {
			grain := uint8(rng.IntN(24))
			m.Set(x, y, color.RGBA{uint8(x/3) + grain, uint8(y/2) + grain, uint8((x+y)/5) + grain, 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return photographs{toy{n: n}, out.Bytes()}
}

// BenchmarkLoader tells how many pictures a second come out, and how long training waits for them: the share of the time that Next takes
// when a step takes 25 ms a pair and its threads, here other processes, leave no core idle. ViT-B-16 takes 500 to 1000 ms a pair on
// two cores. The promise is a share of at most 2 %.
func BenchmarkLoader(b *testing.B) {
	const batch, step = 16, 16 * 25 * time.Millisecond
	photos := newPhotographs(b, 16*batch)
	cfg := Config{BatchSize: batch, Resolution: 224, Shuffle: true,
		Transform: func(encoded []byte, _ *rand.Rand) ([]float32, error) { return imaging.Transform(encoded, 224) }}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			epoch(b, photos, cfg, 0)
		}
		b.ReportMetric(float64(b.N*photos.n)/b.Elapsed().Seconds(), "pictures/s")
	})
	// A step of many micro-batches is not ready as a whole when the one before ends: the rest is decoded while it is waited for, with all cores. A pair takes
	// some 1.5 ms then, where ViT-B-16 takes 200 to 1000 to train.
	b.Run("accumulated", func(b *testing.B) {
		cfg := cfg
		cfg.BatchSize, cfg.Accum, cfg.Prefetch, cfg.Workers = 4, 32, 8, 4
		var waited time.Duration
		for b.Loop() {
			waited += epoch(b, photos, cfg, step)
		}
		b.ReportMetric(1000*waited.Seconds()/float64(b.N*photos.n), "ms-waiting/pair")
	})
	b.Run("beside a busy step", func(b *testing.B) {
		for range runtime.NumCPU() {
			busy := exec.CommandContext(b.Context(), "sh", "-c", "while :; do :; done")
			if err := busy.Start(); err != nil {
				b.Skip("no shell to keep the cores busy: ", err)
			}
			b.Cleanup(func() { busy.Wait() })
		}
		var waited time.Duration
		for b.Loop() {
			waited += epoch(b, photos, cfg, step)
		}
		b.ReportMetric(100*waited.Seconds()/b.Elapsed().Seconds(), "%waiting")
	})
}

// epoch reads all batches, each followed by a step, and returns the time spent in Next.
func epoch(b *testing.B, s dataset.Source, cfg Config, step time.Duration) (waited time.Duration) {
	l, err := New(context.Background(), s, cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for {
		start := time.Now()
		_, err := l.Next()
		waited += time.Since(start)
		if err == io.EOF {
			return waited
		}
		if err != nil {
			b.Fatal(err)
		}
		time.Sleep(step)
	}
}
