package train

import (
	"math/rand/v2"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/model"
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
			s, err := NewStepper(m, Default(cfg))
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
