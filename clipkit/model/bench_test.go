package model_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/golden"
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
		}{{"image", 8, cfg.ImageFLOPs()}, {"image", 32, cfg.ImageFLOPs()}, {"image", 256, cfg.ImageFLOPs()}, {"text", 32, cfg.TextFLOPs(52)}, {"text", 1, cfg.TextFLOPs(52)}} {
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
				theirs := golden.PyTorch(b, c.kind, strconv.Itoa(c.batch), string(precision))
				encode()
				rate := float64(c.batch) / golden.Race(b, theirs, encode).Wall
				b.ReportMetric(rate, "samples/s")
				b.ReportMetric(100*rate*c.flops/1e9/dev.PeakGFLOPS(), "%peak")
			})
		}
		m.Close()
	}
}

// BenchmarkLevels has ViT-B-16 encode the same 32 pictures in two batches in turns: as float32, as bytes, which the graph normalises, and as bytes with both
// batches in flight, and gives the first one's seconds and CPU seconds divided by the others': above 1 they are faster.
//
//	go test -run xxx -bench Levels -benchtime 5x ./clipkit/model
func BenchmarkLevels(b *testing.B) {
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		b.Fatal(err)
	}
	m, err := model.New(cfg, open(b))
	if err == nil {
		err = m.Init(1)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	const n = 32
	m.CallRows = n / 2
	levels := randomLevels(m, n)
	values := imaging.NormaliseLevels(levels, n)
	ways := []func() error{
		func() error { _, err := m.EncodeImages(b.Context(), values, n); return err },
		func() error { _, err := m.EncodeAhead(b.Context(), levels, n, 1); return err },
		func() error { _, err := m.EncodeAhead(b.Context(), levels, n, 2); return err },
	}
	var times [3][]golden.Timing
	once := func(i int) golden.Timing {
		t, err := golden.Time(ways[i])
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	for i := range ways {
		once(i) // compiles
	}
	for b.Loop() {
		for i := range ways {
			times[i] = append(times[i], once(i))
		}
	}
	first := golden.Median(times[0])
	b.ReportMetric(n/first.Wall, "float32-images/s")
	for i, name := range []string{"", "bytes", "bytes-in-flight"} {
		if i > 0 {
			t := golden.Median(times[i])
			b.ReportMetric(first.Wall/t.Wall, "×"+name)
			b.ReportMetric(first.CPU/t.CPU, "×"+name+"-cpu")
		}
	}
}
