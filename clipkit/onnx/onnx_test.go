package onnx_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// pythonEnv names a Python with onnx and onnxruntime, which then checks and runs the files, too.
const pythonEnv = "CLIPKIT_ONNX_PYTHON"

// open is a tiny model of the fixtures, or one of the table with random weights. No vector is left at ones or zeros, where much is the same by chance.
func open(t *testing.T, kind string, dev *device.Device) *model.Model {
	t.Helper()
	cfg, err := arch.Lookup(kind)
	fixture := err != nil
	if fixture {
		cfg = golden.Config(t, kind)
	}
	m, err := model.New(cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if fixture {
		err = weights.Load(m, cfg, golden.Open(t, kind+"/init.pt"))
	} else {
		err = m.Init(7)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, x := range cfg.Tensors() {
		if err != nil || len(x.Shape) != 1 {
			continue
		}
		var values []float32
		if _, values, err = m.Get(x.Name); err == nil {
			for i := range values {
				values[i] += 0.4*rng.Float32() - 0.2
			}
			err = m.Set(x.Name, x.Shape, values)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sample is a batch of what a tower reads, and its features as the model computes them, of any length.
type sample struct {
	name     string
	kind     dtypes.DType
	in       any
	shape    []int
	features []float32
}

func pictures(t *testing.T, m *model.Model, n int) sample {
	r, rng := m.Config.ImageResolution, rand.New(rand.NewPCG(3, uint64(n)))
	pixels := make([]float32, n*3*r*r)
	for i := range pixels {
		pixels[i] = float32(rng.NormFloat64())
	}
	shape := []int{n, 3, r, r}
	return sample{"image", dtypes.Float32, pixels, shape, features(t, m, model.VisualFeatures, tensors.FromFlatDataAndDimensions(pixels, shape...))}
}

func texts(t *testing.T, m *model.Model, n, context int) sample {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	short, long := make([]int32, n*context), make([]int64, n*context)
	for i := range n {
		for k := range 2 + (i*7)%(context-1) {
			id := 1 + rng.IntN(m.Config.VocabSize-1)
			short[i*context+k], long[i*context+k] = int32(id), int64(id)
		}
	}
	shape := []int{n, context}
	return sample{"text", dtypes.Int64, long, shape, features(t, m, model.TextFeatures, tensors.FromFlatDataAndDimensions(short, shape...))}
}

func features(t *testing.T, m *model.Model, tower func(*model.Params, *Node) *Node, in *tensors.Tensor) (out []float32) {
	t.Helper()
	store, giveBack := m.LendVariables()
	defer giveBack()
	err := device.Catch(func() error {
		e, err := gomodel.NewExec(m.Device.Backend, store, func(s *gomodel.Scope, x *Node) *Node {
			return tower(model.NewParams(m.Config, s.Store(), x.Graph()), x)
		})
		if err != nil {
			return err
		}
		defer e.Finalize()
		results, err := e.Call(in)
		if err == nil {
			out, err = tensors.CopyFlatData[float32](results[0])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Files of both towers give the model's features, in ONNX Runtime from here and, where asked for, from Python.
func TestFilesEqualTheModel(t *testing.T) {
	if !devicetest.InOwnProcess(t) {
		return
	}
	dev := devicetest.Open(t, "cpu:onnx") // loads the runtime
	backend, err := ort.Open(ort.Provider{Log: 3, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	for _, c := range []struct {
		kind  string
		limit float64
		onnx.Options
	}{
		{"vit", 1e-4, onnx.Options{}},
		{"rn", 1e-4, onnx.Options{}},
		{"emoji", 1e-4, onnx.Options{Beside: true}},
		{"vit", 1e-4, onnx.Options{Opset: 13, Normalize: true, Context: 52}},
		{"rn", 1e-4, onnx.Options{Opset: 22, Normalize: true, Beside: true}},
		{"vit", 5e-3, onnx.Options{Precision: onnx.F16, Beside: true}},
		{"rn", 5e-3, onnx.Options{Precision: onnx.F16}},
	} {
		t.Run(fmt.Sprintf("%s %+v", c.kind, c.Options), func(t *testing.T) {
			m := open(t, c.kind, dev)
			prefix := filepath.Join(t.TempDir(), "m")
			weights := m.Tensors(m.Config.Tensors()...)
			for side, sampled := range map[onnx.Side]func(n int) sample{
				onnx.Images: func(n int) sample { return pictures(t, m, n) },
				onnx.Texts: func(n int) sample {
					if c.Context == 0 && n == 3 { // an axis of any length
						return texts(t, m, n, 9)
					}
					return texts(t, m, n, m.Config.ContextLength)
				},
			} {
				path, err := onnx.Write(prefix, side, m.Config, weights, c.Options)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range []int{1, 3, 17} {
					s := sampled(n)
					if c.Normalize {
						unit(s.features, m.Config.EmbedDim)
					}
					got := compute(t, backend, path, s, !c.Normalize, m.Config.EmbedDim)
					golden.Close(t, fmt.Sprintf("%s, %s, batch %d", c.kind, s.name, n), got, s.features, c.limit)
					if python := os.Getenv(pythonEnv); python != "" {
						checkInPython(t, python, path, s, c.limit)
					}
				}
			}
		})
	}
}

func unit(features []float32, width int) {
	for row := range slices.Chunk(features, width) {
		sum := 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		for i := range row {
			row[i] = float32(float64(row[i]) / math.Sqrt(sum))
		}
	}
}

func compute(t *testing.T, b *ort.Backend, path string, s sample, raw bool, width int) []float32 {
	t.Helper()
	f, err := b.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := b.BufferFromFlatData(0, s.in, shapes.Make(s.kind, s.shape...))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Finalize()
	output := s.name + "_features"
	if raw {
		output = "unnorm_" + output
	}
	out, err := f.Run(s.name, in, output, shapes.Make(dtypes.Float32, s.shape[0], width))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Finalize()
	features := make([]float32, s.shape[0]*width)
	if err := out.ToFlatData(features); err != nil {
		t.Fatal(err)
	}
	return features
}

func checkInPython(t *testing.T, python, path string, s sample, limit float64) {
	t.Helper()
	given, wanted := path+".in", path+".want"
	var in, want bytes.Buffer
	err := errors.Join(binary.Write(&in, binary.LittleEndian, s.in), binary.Write(&want, binary.LittleEndian, s.features),
		os.WriteFile(given, in.Bytes(), 0o644), os.WriteFile(wanted, want.Bytes(), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.shape), " ", ","), "[]")
	out, err := exec.Command(python, "testdata/check.py", path, given, shape, wanted, fmt.Sprint(limit)).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%s: %v", python, err)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	cfg := golden.Config(t, "vit")
	var list []tensor.Tensor
	for _, x := range cfg.Tensors() {
		list = append(list, tensor.F32(x.Name, x.Shape, make([]float32, x.Size())))
	}
	with := func(name string, change func(x *tensor.Tensor)) []tensor.Tensor {
		changed := slices.Clone(list)
		for i := range changed {
			if changed[i].Name == name {
				change(&changed[i])
			}
		}
		return changed
	}
	const proj, fc = "visual.proj", "visual.transformer.resblocks.0.mlp.c_fc.weight"
	for _, c := range []struct {
		name    string
		weights []tensor.Tensor
		side    onnx.Side
		onnx.Options
		want string
	}{
		{"opset", list, onnx.Images, onnx.Options{Opset: 9}, "opset 9, want 13 to 22"},
		{"precision", list, onnx.Images, onnx.Options{Precision: "int3"}, `precision "int3", want "fp32", "fp16" or "int8"`},
		{"range", list, onnx.Images, onnx.Options{Precision: onnx.F16, ReduceRange: true}, "ReduceRange and Whole are about int8, not fp16"},
		{"context", list, onnx.Texts, onnx.Options{Context: 9999}, "has positions for 512"},
		{"tower", list, "sound", onnx.Options{}, `tower "sound", want "img" or "txt"`},
		{"missing", with(proj, func(x *tensor.Tensor) { x.Name = "other" }), onnx.Images, onnx.Options{}, "visual.proj of tiny-vit is missing"},
		{"shape", with(proj, func(x *tensor.Tensor) { x.Shape = []int{2} }), onnx.Images, onnx.Options{}, "visual.proj has shape [2], tiny-vit needs [64 32]"},
		{"short", with(proj, func(x *tensor.Tensor) { x.Data = x.Data[:8] }), onnx.Images, onnx.Options{}, `tensor "visual.proj": 8 bytes`},
		{"infinite", with(proj, func(x *tensor.Tensor) { *x = tensor.F32(proj, x.Shape, slices.Repeat([]float32{1e6}, x.Size())) }),
			onnx.Images, onnx.Options{Precision: onnx.F16}, "float16 ends at 65504"},
		{"not a number", with(fc, func(x *tensor.Tensor) { // a matrix of 8 bits: the projection stays f32
			*x = tensor.F32(fc, x.Shape, slices.Repeat([]float32{float32(math.NaN())}, x.Size()))
		}),
			onnx.Images, onnx.Options{Precision: onnx.Int8}, "has a value of NaN, which 8 bits cannot hold"},
	} {
		dir := t.TempDir()
		_, err := onnx.Write(filepath.Join(dir, "m"), c.side, cfg, c.weights, c.Options)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s leaves %v", c.name, left)
		}
	}
}
