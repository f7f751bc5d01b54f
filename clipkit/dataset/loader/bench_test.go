package loader

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
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

// BenchmarkLoader tells how many pictures a second come out, how long training waits for them, and that memory stays what it was:
//
//	go test -run xxx -bench Loader -benchtime 1x ./clipkit/dataset/loader
//
// Alone it reads 2,000 batches and prints the process's resident memory (VmRSS) after 200, 1,000 and 2,000; the last may be 5 % above the others. Each is the
// least of ten readings with garbage given back, because how much of it is waiting, and how many batches of 2.4 MB are ready, is chance; MB-peak (VmHWM) is
// the most with both.
//
// Beside a busy step, the time a step waits is what Next takes. The step is a sleep of 25 ms a pair while other processes leave no core idle, as its
// threads would. ViT-B-16 takes longer on two cores, 200 ms a pair at its fastest (batch 16, bf16, texts of 20 tokens: clipkit/README.md, "Own data, and
// training"), and the longer the step, the more is ready when it ends. So %waiting-ViT-B-16, the measured waits over waits and steps of 200 ms a pair, is
// more than its steps wait. The promise is a share of at most 2 %.
func BenchmarkLoader(b *testing.B) {
	const batch, pair, vitB16 = 16, 25 * time.Millisecond, 200 * time.Millisecond
	photos := newPhotographs(b, 16*batch)
	cfg := Config{BatchSize: batch, Resolution: 224, Shuffle: true,
		Levels: func(ctx context.Context, encoded []byte, _ *rand.Rand) ([]uint8, error) {
			return imaging.TransformLevels(ctx, encoded, 224)
		}}
	b.Run("alone", func(b *testing.B) {
		photos := photographs{toy{n: 2000 * batch}, photos.jpeg}
		for b.Loop() {
			resident := map[int]float64{200: math.Inf(1), 1000: math.Inf(1), 2000: math.Inf(1)}
			epoch(b, photos, cfg, 0, func(batches int) {
				for mark, least := range resident {
					if batches > mark-10 && batches <= mark {
						debug.FreeOSMemory()
						resident[mark] = min(least, memoryMB(b, "VmRSS:"))
						b.ReportMetric(resident[mark], fmt.Sprintf("MB-at-%d", mark))
					}
				}
			})
			if resident[2000] > 1.05*max(resident[200], resident[1000]) {
				b.Errorf("resident memory grew from %.0f MB after 200 batches to %.0f MB after 1,000 and %.0f MB after 2,000", resident[200], resident[1000], resident[2000])
			}
		}
		b.ReportMetric(memoryMB(b, "VmHWM:"), "MB-peak")
		b.ReportMetric(float64(b.N*photos.n)/b.Elapsed().Seconds(), "pictures/s")
	})
	// A step of many micro-batches is not ready as a whole when the one before ends: the rest is decoded while it is waited for, with all cores. A pair takes
	// some 1.5 ms then, where ViT-B-16 takes 200 to 1000 to train.
	b.Run("accumulated", func(b *testing.B) {
		cfg := cfg
		cfg.BatchSize, cfg.Accum, cfg.Prefetch, cfg.Workers = 4, 32, 8, 4
		var waited time.Duration
		for b.Loop() {
			waited += epoch(b, photos, cfg, batch*pair, nil)
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
			waited += epoch(b, photos, cfg, batch*pair, nil)
		}
		b.ReportMetric(100*waited.Seconds()/b.Elapsed().Seconds(), "%waiting")
		trained := time.Duration(b.N*photos.n) * vitB16
		b.ReportMetric(100*waited.Seconds()/(waited+trained).Seconds(), "%waiting-ViT-B-16")
	})
}

// epoch reads all batches, each followed by a step, and returns the time spent in Next. read, which may be nil, hears how many batches were read.
func epoch(b *testing.B, s dataset.Source, cfg Config, step time.Duration, read func(batches int)) (waited time.Duration) {
	l, err := New(context.Background(), s, cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for batches := 1; ; batches++ {
		start := time.Now()
		_, err := l.Next()
		waited += time.Since(start)
		if err == io.EOF {
			return waited
		}
		if err != nil {
			b.Fatal(err)
		}
		if read != nil {
			read(batches)
		}
		time.Sleep(step)
	}
}

func memoryMB(b *testing.B, field string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("this system does not tell a process's memory: ", err)
	}
	_, after, _ := strings.Cut(string(status), field)
	var kB float64
	if _, err := fmt.Sscan(after, &kB); err != nil {
		b.Fatal(err)
	}
	return kB / 1024
}
