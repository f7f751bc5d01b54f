package device_test

import (
	"context"
	"math"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/model"
)

// BenchmarkProcessorEngines encodes pictures and texts of ViT-B-16 with every engine for processors, turn by turn, and gives each one's best rate.
// OpenVINO's bf16 is its own hint on a float32 model; XLA's is a model in bf16. cpu:onnx runs on OpenVINO's ONNX Runtime, as a process has one.
//
//	go test -run '^$' -bench ProcessorEngines -benchtime 6x ./clipkit/device
func BenchmarkProcessorEngines(b *testing.B) {
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		b.Fatal(err)
	}
	const pictures, texts, tokens = 8, 32, 52
	engines := []struct {
		name, device string
		precision    model.Precision
	}{
		{"openvino", "cpu:openvino", model.F32},
		{"openvino-bf16", "npu:openvino,device=CPU,precision=bf16", model.F32},
		{"onnx", "cpu:onnx", model.F32},
		{"xla", "cpu:xla", model.F32},
		{"xla-bf16", "cpu:xla", model.BF16},
	}
	models := make([]*model.Model, len(engines))
	for i, e := range engines {
		dev, err := device.Open(e.device)
		if err != nil {
			b.Fatal(err)
		}
		defer dev.Close()
		if models[i], err = model.NewIn(cfg, dev, e.precision); err == nil {
			err = models[i].Init(1)
		}
		if err != nil {
			b.Fatal(err)
		}
		defer models[i].Close()
	}
	pixels := make([]float32, pictures*3*cfg.ImageResolution*cfg.ImageResolution)
	for i := range pixels {
		pixels[i] = float32(math.Sin(float64(i)))
	}
	ids := make([]int32, texts*tokens)
	for i := range ids {
		ids[i] = int32(100 + i%20000)
	}
	best := map[string]float64{}
	timed := func(name string, n int, work func() error) {
		start := time.Now()
		if err := work(); err != nil {
			b.Fatal(err)
		}
		best[name] = max(best[name], float64(n)/time.Since(start).Seconds())
	}
	round := func() {
		for i, e := range engines {
			timed(e.name+"-images/s", pictures, func() error {
				_, err := models[i].EncodeImages(context.Background(), pixels, pictures)
				return err
			})
			timed(e.name+"-texts/s", texts, func() error {
				_, err := models[i].EncodeTexts(context.Background(), ids, texts)
				return err
			})
		}
	}
	round() // compiles
	clear(best)
	for b.Loop() {
		round()
	}
	for name, rate := range best {
		b.ReportMetric(rate, name)
	}
}
