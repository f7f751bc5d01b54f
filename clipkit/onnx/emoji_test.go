package onnx_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"clipnb/assets"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/onnx"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/compute/dtypes"
)

// full is for what takes minutes: the table of README.md, and the memory that an export takes.
var full = flag.Bool("full", false, "TestSensitivity: all matrices, 125 pictures and 625 texts; TestMemoryOfViTH14")

const fullEnv = "CLIPKIT_ONNX_FULL" // tells it to the test's own process

// embedded is the model that is compiled in, and what it reads of the test split: every n-th picture and text, in batches.
type embedded struct {
	cfg     arch.Config
	weights []tensor.Tensor
	batches map[onnx.Side][]sample
	backend *ort.Backend
}

func openEmbedded(t *testing.T, n int) *embedded {
	t.Helper()
	devicetest.Open(t, "cpu:onnx") // loads the runtime
	backend, err := ort.Open(ort.Provider{Log: 3, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Finalize)
	e := &embedded{backend: backend, batches: map[onnx.Side][]sample{}}
	if e.cfg, err = arch.Lookup("emoji"); err != nil {
		t.Fatal(err)
	}
	small, err := assets.SmallModel()
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.Parse("emoji", small)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range f.Names() {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		e.weights = append(e.weights, x)
	}
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	const batch = 25
	var pixels []float32
	r := e.cfg.ImageResolution
	for i, id := range data.Test.ImageIDs() {
		if i%n != 0 {
			continue
		}
		file, err := data.Test.Image(id)
		if err != nil {
			t.Fatal(err)
		}
		x, err := imaging.Transform(file, r)
		if err != nil {
			t.Fatal(err)
		}
		if pixels = append(pixels, x...); len(pixels) == batch*len(x) {
			e.batches[onnx.Images] = append(e.batches[onnx.Images], sample{name: "image", kind: dtypes.Float32, in: pixels, shape: []int{batch, 3, r, r}})
			pixels = nil
		}
	}
	var ids []int64
	for i, text := range data.Test.Texts() {
		if i%n != 0 {
			continue
		}
		short, _, err := tokenizer.Default().Tokenize([]string{text.Text}, e.cfg.ContextLength)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range short {
			ids = append(ids, int64(id))
		}
		if len(ids) == batch*e.cfg.ContextLength {
			e.batches[onnx.Texts] = append(e.batches[onnx.Texts], sample{name: "text", kind: dtypes.Int64, in: ids, shape: []int{batch, e.cfg.ContextLength}})
			ids = nil
		}
	}
	return e
}

func (e *embedded) features(t *testing.T, path string, side onnx.Side, normalized bool) (all []float32) {
	for _, s := range e.batches[side] {
		all = append(all, compute(t, e.backend, path, s, !normalized, e.cfg.EmbedDim)...)
	}
	return all
}

// leastCosine of rows.
func leastCosine(a, b []float32, width int) float64 {
	least := 1.0
	for at := 0; at < len(a); at += width {
		var ab, aa, bb float64
		for i := at; i < at+width; i++ {
			x, y := float64(a[i]), float64(b[i])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		least = min(least, ab/math.Sqrt(aa*bb))
	}
	return least
}

// The embedded model in int8, of every form, gives the direction of float32's features.
func TestInt8OfTheEmbeddedModel(t *testing.T) {
	if !devicetest.InOwnProcess(t) {
		return
	}
	e := openEmbedded(t, 10)
	for _, side := range []onnx.Side{onnx.Images, onnx.Texts} {
		prefix := filepath.Join(t.TempDir(), "m")
		plain, err := onnx.Write(prefix, side, e.cfg, e.weights, onnx.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := e.features(t, plain, side, false)
		for _, o := range []onnx.Options{{}, {Opset: 13, Beside: true}, {Opset: 22, Normalize: true, ReduceRange: true}} {
			o.Precision = onnx.Int8
			path, err := onnx.Write(prefix, side, e.cfg, e.weights, o)
			if err != nil {
				t.Fatal(err)
			}
			least := leastCosine(e.features(t, path, side, o.Normalize), want, e.cfg.EmbedDim)
			t.Logf("%s %+v: worst cosine %.6f", side, o, least)
			if least < 0.999 {
				t.Errorf("%s %+v: worst cosine %.6f", side, o, least)
			}
			if python := os.Getenv(pythonEnv); python != "" {
				s := e.batches[side][0]
				s.features = compute(t, e.backend, path, s, !o.Normalize, e.cfg.EmbedDim)
				checkInPython(t, python, path, s, 0.01) // the same arithmetic in another version of the runtime
			}
		}
	}
}

// The table that decides which matrices stay in float32:
//
//	go test ./clipkit/onnx -run Sensitivity -v -full
func TestSensitivity(t *testing.T) {
	if !devicetest.InOwnProcess(t, fmt.Sprintf("%s=%v", fullEnv, *full)) {
		return
	}
	all := os.Getenv(fullEnv) == "true"
	n, some := 10, []string{"visual.conv", "visual.attnpool.c_proj", "bert.embeddings", "text_projection"}
	if all {
		n, some = 4, nil
	}
	e := openEmbedded(t, n)
	for _, side := range []onnx.Side{onnx.Images, onnx.Texts} {
		for _, reduced := range []bool{false, true} {
			rows := 0
			o := onnx.Options{ReduceRange: reduced}
			err := onnx.Sensitivities(context.Background(), t.TempDir(), side, e.cfg, e.weights, o, some, func(path string) ([]float32, error) {
				return e.features(t, path, side, false), nil
			}, func(s onnx.Sensitivity) {
				t.Logf("%s %s", side, s)
				rows++
				if s.Least < 0.99 || s.Mean < s.Least || s.Mean > 1+1e-9 {
					t.Errorf("%s: %+v", side, s)
				}
				if s.Matrix == "" && s.Least < 0.999 {
					t.Errorf("%s: the rule gives %s", side, s)
				}
			})
			if err != nil || rows < 3 {
				t.Fatal(fmt.Sprintf("%d rows", rows), err)
			}
		}
	}
	if all {
		e.atAnEdge(t)
	}
}

// Of 625 texts one or two, others in 8 bits than in 7, lie at an edge of the first layer's attention and fall below 0.999. With that layer in float32 none does.
func (e *embedded) atAnEdge(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "m")
	features := func(o onnx.Options) []float32 {
		path, err := onnx.Write(prefix, onnx.Texts, e.cfg, e.weights, o)
		if err != nil {
			t.Fatal(err)
		}
		return e.features(t, path, onnx.Texts, false)
	}
	want := features(onnx.Options{})
	for _, reduced := range []bool{false, true} {
		got := features(onnx.Options{Precision: onnx.Int8, ReduceRange: reduced, Whole: []string{"bert.encoder.layer.0."}})
		least := leastCosine(got, want, e.cfg.EmbedDim)
		t.Logf("txt layer 0 in float32, ReduceRange %v: 1-cosine worst %.1e", reduced, 1-least)
		if least < 0.999 {
			t.Errorf("layer 0 in float32, ReduceRange %v: worst cosine %.6f", reduced, least)
		}
	}
}
