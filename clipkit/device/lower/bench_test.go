package lower_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"clipnb/clipkit/device"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// BenchmarkEmbeddingGradient is the gradient of ViT-B-16's word embedding, 21128 × 768, for a batch of 128 texts of 52 tokens: as ONNX Runtime
// scatters it, lowered, and as a one-hot product, which is the form that needs no scatter. Each form runs in the same process, so MB is how much
// the peak of the process's memory rose with it: run one at a time (-bench 'Gradient/lowered').
func BenchmarkEmbeddingGradient(b *testing.B) {
	const texts, tokens, vocabulary, width = 128, 52, 21128, 768
	rng := rand.New(rand.NewPCG(1, 2))
	ids, dy := make([]int32, texts*tokens), make([]float32, texts*tokens*width)
	for i := range ids {
		if i%tokens < 20 {
			ids[i] = int32(rng.IntN(vocabulary))
		}
	}
	for i := range dy {
		dy[i] = float32(rng.NormFloat64())
	}
	gradient := func(in []*Node) []*Node {
		table, ids, dy := in[0], in[1], in[2]
		return Gradient(ReduceAllSum(Mul(Gather(table, InsertAxes(ids, -1)), dy)), table)
	}
	oneHot := func(in []*Node) []*Node {
		g := in[0].Graph()
		n := texts * tokens
		which := Equal(BroadcastToDims(Reshape(in[1], 1, n), vocabulary, n), Iota(g, shapes.Make(dtypes.Int32, vocabulary, n), 0))
		return []*Node{Dot(ConvertDType(which, dtypes.Float32), Reshape(in[2], n, width)).Product()}
	}
	plain, lowered, _ := open(b, false)
	for _, form := range []struct {
		name  string
		dev   *device.Device
		graph func([]*Node) []*Node
	}{{"scatter", plain, gradient}, {"lowered", lowered, gradient}, {"onehot", plain, oneHot}} {
		b.Run(form.name, func(b *testing.B) {
			exec, err := NewExec(form.dev.Backend, form.graph)
			if err != nil {
				b.Fatal(err)
			}
			defer exec.Finalize()
			table := tensors.FromShape(shapes.Make(dtypes.Float32, vocabulary, width))
			in := []any{table, tensors.FromFlatDataAndDimensions(ids, texts, tokens), tensors.FromFlatDataAndDimensions(dy, texts, tokens, width)}
			before := peakMegabytes(b)
			step := func() {
				out, err := exec.Call(in...)
				if err != nil {
					b.Fatal(err)
				}
				out[0].FinalizeAll()
			}
			step()
			for b.Loop() {
				step()
			}
			b.ReportMetric(peakMegabytes(b)-before, "MB")
		})
	}
}

func peakMegabytes(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range bytes.Lines(status) {
		if kb, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			n, err := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(kb), []byte("kB")))))
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	b.Fatal(fmt.Errorf("no VmHWM"))
	return 0
}

// BenchmarkStep is a training step of the mid-size model, lowered, and as "×plain" the ratio to what the plain engine takes for the same, in turns.
func BenchmarkStep(b *testing.B) {
	plain, lowered, _ := open(b, false)
	cfg := configs(b)["mid"]
	const pairs = 16
	images, ids := batch(cfg, pairs)
	step := func(dev *device.Device) func() float64 {
		s, err := step.New(newModel(b, cfg, dev, model.F32), step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.2, TrimText: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(s.Close)
		return func() float64 {
			start := time.Now()
			if _, err := s.Step(images, ids, pairs, 1e-5, 1); err != nil {
				b.Fatal(err)
			}
			return time.Since(start).Seconds()
		}
	}
	theirs, ours := step(plain), step(lowered)
	theirs()
	ours()
	var t, o []float64
	for b.Loop() {
		t, o = append(t, theirs()), append(o, ours())
	}
	slices.Sort(t)
	slices.Sort(o)
	b.ReportMetric(t[len(t)/2]/o[len(o)/2], "×plain")
}
