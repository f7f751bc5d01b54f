package onnx_test

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// BenchmarkTowers encodes 8 pictures and 8 texts with ViT-B-16 of random weights: with the files of every precision in ONNX Runtime and with the model
// in XLA, turn by turn in each round, and gives each one's median in milliseconds. int8w7 is int8 of a reduced range, int8exact int8 with the session option by which no sum is cut
// off on a processor without VNNI (package deploy sets it there). Where CLIPKIT_TORCH_PYTHON names
// a python with torch and cn-clip, the reference (eager, float32) takes its turn as well.
//
//	go test -run '^$' -bench Towers -benchtime 20x ./clipkit/onnx
func BenchmarkTowers(b *testing.B) {
	const batch = 8
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		b.Fatal(err)
	}
	runtime, err := device.Open("cpu:onnx") // loads it
	if err != nil {
		b.Fatal(err)
	}
	defer runtime.Close()
	plain, err := ort.Open(ort.Provider{Log: 3, Shared: true})
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Finalize()
	exact, err := ort.Open(ort.Provider{Log: 3, Shared: true, Session: [][2]string{{"session.x64quantprecision", "1"}}})
	if err != nil {
		b.Fatal(err)
	}
	defer exact.Finalize()
	dev, err := device.Open("cpu:xla")
	if err != nil {
		b.Fatal(err)
	}
	defer dev.Close()
	m, err := model.New(cfg, dev)
	if err == nil {
		err = m.Init(7)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	pixels := make([]float32, batch*3*cfg.ImageResolution*cfg.ImageResolution)
	for i := range pixels {
		pixels[i] = float32(math.Max(-1.8, math.Min(2.1, rng.NormFloat64())))
	}
	ids, long := make([]int32, batch*cfg.ContextLength), make([]int64, batch*cfg.ContextLength)
	for i := range ids {
		ids[i] = 1 + rng.Int32N(int32(cfg.VocabSize)-1)
		long[i] = int64(ids[i])
	}
	type engine struct {
		name string
		work func() error
	}
	engines := []engine{
		{"xla-images-ms", func() error { _, err := m.EncodeImages(context.Background(), pixels, batch); return err }},
		{"xla-texts-ms", func() error { _, err := m.EncodeTexts(context.Background(), ids, batch); return err }},
	}
	for _, c := range []struct {
		name    string
		backend *ort.Backend
		onnx.Options
	}{
		{"fp32", plain, onnx.Options{}}, {"fp16", plain, onnx.Options{Precision: onnx.F16}}, {"int8", plain, onnx.Options{Precision: onnx.Int8}},
		{"int8w7", plain, onnx.Options{Precision: onnx.Int8, ReduceRange: true}}, {"int8exact", exact, onnx.Options{Precision: onnx.Int8}},
	} {
		for _, side := range []onnx.Side{onnx.Images, onnx.Texts} {
			path, err := onnx.Write(filepath.Join(b.TempDir(), "m"), side, cfg, m.Tensors(cfg.Tensors()...), c.Options)
			if err != nil {
				b.Fatal(err)
			}
			f, err := c.backend.OpenFile(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			s, what := sample{"image", dtypes.Float32, pixels, []int{batch, 3, cfg.ImageResolution, cfg.ImageResolution}, make([]float32, batch*cfg.EmbedDim)}, "-images-ms"
			if side == onnx.Texts {
				s, what = sample{"text", dtypes.Int64, long, []int{batch, cfg.ContextLength}, s.features}, "-texts-ms"
			}
			engines = append(engines, engine{c.name + what, func() error {
				in, err := c.backend.BufferFromFlatData(0, s.in, shapes.Make(s.kind, s.shape...))
				if err != nil {
					return err
				}
				defer in.Finalize()
				out, err := f.Run(s.name, in, "unnorm_"+s.name+"_features", shapes.Make(dtypes.Float32, batch, cfg.EmbedDim))
				if err != nil {
					return err
				}
				defer out.Finalize()
				return out.ToFlatData(s.features)
			}})
		}
	}
	for _, kind := range []string{"image", "text"} {
		if theirs := golden.PyTorch(b, kind, strconv.Itoa(batch), "f32"); theirs != nil {
			engines = append(engines, engine{"pytorch-" + kind + "s-ms", func() error { theirs.Do(); return nil }})
		}
	}
	times := map[string][]float64{}
	round := func() {
		for _, e := range engines {
			start := time.Now()
			if err := e.work(); err != nil {
				b.Fatal(e.name, err)
			}
			times[e.name] = append(times[e.name], 1000*time.Since(start).Seconds())
			time.Sleep(50 * time.Millisecond) // threads that wait for more work of the same kind spin for a while
		}
	}
	round() // compiles
	clear(times)
	for b.Loop() {
		round()
	}
	for name, t := range times {
		slices.Sort(t)
		b.ReportMetric((t[(len(t)-1)/2]+t[len(t)/2])/2, name)
	}
}
