package train

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	_ "clipnb/clipkit/device/blocks" // as a program that trains has it
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
)

// BenchmarkStep is a whole step (loss, gradients, AdamW) of the embedded model at the batch size of its recipe, in pairs/s and as a
// share of the machine's measured matmul peak.
func BenchmarkStep(b *testing.B) {
	const batch = 128
	cfg, err := arch.Lookup("emoji")
	if err != nil {
		b.Fatal(err)
	}
	for _, engine := range []string{"cpu:xla", "cpu:onnx"} {
		b.Run(engine, func(b *testing.B) {
			dev, err := device.Open(engine)
			if err != nil {
				b.Fatal(err)
			}
			defer dev.Close()
			m, err := model.New(cfg, dev)
			if err == nil {
				err = m.Init(1)
			}
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			s, err := step.New(m, Default(cfg).step())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			rng := rand.New(rand.NewPCG(1, 2))
			images, ids := make([]float32, batch*3*64*64), make([]int32, batch*cfg.ContextLength)
			for i := range images {
				images[i] = float32(rng.NormFloat64())
			}
			for i := range ids {
				ids[i] = int32(rng.IntN(cfg.VocabSize))
			}
			step := func() {
				if _, err := s.Step(images, ids, batch, 1e-4, 0); err != nil {
					b.Fatal(err)
				}
			}
			step() // compiles
			for b.Loop() {
				step()
			}
			rate := batch * float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "pairs/s")
			if peak := dev.PeakGFLOPS(); peak > 0 {
				b.ReportMetric(100*rate*cfg.TrainFLOPs(cfg.ContextLength)/1e9/peak, "%peak")
			}
		})
	}
}

// BenchmarkFullStep is a whole step of ViT-B-16 with RoBERTa-base and random weights, in pairs/s, as a share of the machine's measured f32
// matmul peak, and with the largest resident size of the process so far (run one case in a process to trust it). texts=52 are captions that
// fill the context, texts=20 such as Flickr30k-CN's, where trim_text leaves padding out. Where CLIPKIT_TORCH_PYTHON names a python with torch
// and cn-clip, PyTorch takes the same step after every one of ours: "×pytorch". It runs on the device that CLIPKIT_DEVICE names; batch 128 is
// for GPUs.
func BenchmarkFullStep(b *testing.B) {
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		b.Fatal(err)
	}
	for _, precision := range []string{"f32", "bf16"} {
		for _, batch := range []int{8, 16, 128} {
			for _, tokens := range []int{52, 20} {
				b.Run(fmt.Sprintf("%s/batch=%d/texts=%d", precision, batch, tokens), func(b *testing.B) {
					dev, err := device.Open("")
					if err != nil {
						b.Fatal(err)
					}
					defer dev.Close()
					m, err := model.New(cfg, dev)
					if err == nil {
						err = m.Init(1)
					}
					if err != nil {
						b.Fatal(err)
					}
					defer m.Close()
					settings := Default(cfg)
					settings.Precision = precision
					s, err := step.New(m, settings.step())
					if err != nil {
						b.Fatal(err)
					}
					defer s.Close()
					images, ids := make([]float32, batch*3*224*224), make([]int32, batch*cfg.ContextLength)
					rng := rand.New(rand.NewPCG(1, 2))
					for i := range images {
						images[i] = float32(rng.NormFloat64())
					}
					for i := range ids {
						if i%cfg.ContextLength < tokens {
							ids[i] = int32(670 + rng.IntN(7000))
						}
					}
					step := func() {
						if _, err := s.Step(images, ids, batch, 5e-5, 0); err != nil {
							b.Fatal(err)
						}
					}
					theirs := golden.PyTorch(b, "step", strconv.Itoa(batch), precision, strconv.Itoa(tokens))
					step() // compiles
					step() // fills the allocator
					rate := float64(batch) / golden.Race(b, theirs, step).Wall
					b.ReportMetric(rate, "pairs/s")
					b.ReportMetric(100*rate*cfg.TrainFLOPs(cfg.ContextLength)/1e9/dev.PeakGFLOPS(), "%peak")
					b.ReportMetric(golden.PeakMB(), "peak-MB")
					if theirs != nil {
						b.ReportMetric(theirs.PeakMB, "pytorch-peak-MB")
					}
				})
			}
		}
	}
}
