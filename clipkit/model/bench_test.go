package model_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/model"
)

// BenchmarkEncode encodes batches with ViT-B-16 and random weights, and prints samples/s and the share of the measured f32 matmul peak
// (bf16 work may pass 100 %). Where CLIPKIT_TORCH_PYTHON names a python with torch and cn-clip, the reference encodes the same batch after
// every one of ours, and "×pytorch" is the ratio of the medians of the seconds, "×pytorch-cpu" that of the CPU seconds, which other work on
// the machine disturbs less.
func BenchmarkEncode(b *testing.B) {
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		b.Fatal(err)
	}
	dev := open(b)
	for _, precision := range []model.Precision{model.F32, model.BF16} {
		m, err := model.NewIn(cfg, dev, precision)
		if err == nil {
			err = m.Init(1)
		}
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range []struct {
			kind  string
			batch int
			flops float64
		}{{"image", 8, cfg.ImageFLOPs()}, {"image", 32, cfg.ImageFLOPs()}, {"text", 32, cfg.TextFLOPs(52)}, {"text", 1, cfg.TextFLOPs(52)}} {
			b.Run(fmt.Sprintf("%s/%s/batch=%d", precision, c.kind, c.batch), func(b *testing.B) {
				pixels, ids := make([]float32, c.batch*3*224*224), make([]int32, c.batch*52)
				for i := range pixels {
					pixels[i] = float32(i%255)/127 - 1
				}
				for i := range ids {
					ids[i] = int32(670 + i%7000)
				}
				encode := func() {
					var err error
					if c.kind == "image" {
						_, err = m.EncodeImages(context.Background(), pixels, c.batch)
					} else {
						_, err = m.EncodeTexts(context.Background(), ids, c.batch)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				theirs := pytorch(b, c.kind, c.batch, precision)
				encode()
				var ours, oursCPU, others, othersCPU []float64
				for b.Loop() {
					start, cpu := time.Now(), cpuSeconds()
					encode()
					ours, oursCPU = append(ours, time.Since(start).Seconds()), append(oursCPU, cpuSeconds()-cpu)
					if theirs != nil {
						wall, cpu := theirs()
						others, othersCPU = append(others, wall), append(othersCPU, cpu)
					}
				}
				rate := float64(c.batch) / median(ours)
				b.ReportMetric(rate, "samples/s")
				b.ReportMetric(100*rate*c.flops/1e9/dev.PeakGFLOPS(), "%peak")
				if theirs != nil {
					b.ReportMetric(median(others)/median(ours), "×pytorch")
					b.ReportMetric(median(othersCPU)/median(oursCPU), "×pytorch-cpu")
				}
			})
		}
		m.Close()
	}
}

// cpuSeconds that this process has used so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func median(seconds []float64) float64 {
	s := slices.Sorted(slices.Values(seconds))
	return s[len(s)/2]
}

// pytorch starts the reference and returns what makes it encode a batch; nil where CLIPKIT_TORCH_PYTHON is not set.
func pytorch(b *testing.B, kind string, batch int, precision model.Precision) func() (wall, cpu float64) {
	python := os.Getenv("CLIPKIT_TORCH_PYTHON")
	if python == "" {
		return nil
	}
	cmd := exec.Command(python, "testdata/pytorch_encode.py", kind, strconv.Itoa(batch), string(precision))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "ready") {
		b.Fatalf("%s did not start the reference: %q", python, lines.Text())
	}
	one := func() (wall, cpu float64) {
		fmt.Fprintln(in)
		if !lines.Scan() {
			b.Fatal("the reference stopped")
		}
		if _, err := fmt.Sscan(lines.Text(), &wall, &cpu); err != nil {
			b.Fatalf("the reference printed %q: %v", lines.Text(), err)
		}
		return wall, cpu
	}
	one() // warm-up
	return one
}
