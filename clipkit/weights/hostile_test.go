package weights

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/mapping"
	"clipnb/clipkit/weights/tensor"
)

// A safetensors file is refused at every length but its own.
// fault 4
func TestTruncatedAtEveryLength(t *testing.T) {
	var b bytes.Buffer
	tensors := []tensor.Tensor{tensor.F32("a", []int{3}, []float32{1, 2, 3}), tensor.I64("b", 7), tensor.F16("c", []int{2, 2}, make([]float32, 4))}
	if err := EncodeSafetensors(&b, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	if _, err := Parse("whole", data); err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := Parse("cut", data[:n]); !errors.Is(err, tensor.ErrFormat) {
			t.Errorf("%d of %d bytes: %v", n, len(data), err)
		}
	}
}

// A header may name many tensors; what it costs to refuse it stays in proportion to its length.
// fault 5, 19.9
func TestMemoryStaysInProportion(t *testing.T) {
	var h strings.Builder
	h.WriteString(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`)
	for i := range 20000 {
		fmt.Fprintf(&h, `,"%d":{"dtype":"F32","shape":[0,1073741824],"data_offsets":[0,0]}`, i)
	}
	h.WriteString("}")
	data := safetensorsBytes(h.String(), 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Parse("many", data)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, tensor.ErrFormat) {
		t.Error(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 40*uint64(len(data)) {
		t.Errorf("%d bytes were allocated for a file of %d", used, len(data))
	}
}

// Another program cuts a file short between its opening and its use: loading is an error that names file and tensor, and the process lives on.
// fault 19.3
func TestCutShortWhileInUse(t *testing.T) {
	state := randomState(tiny(), 1)
	for _, name := range []string{"x.safetensors", "x.pt"} {
		path := filepath.Join(t.TempDir(), name)
		if err := Write(path, tiny(), state, nil); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []int64{0, info.Size() / 2, info.Size() - 1} {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, left); err != nil {
				t.Fatal(err)
			}
			if err := Load(recorder{}, tiny(), f); !errors.Is(err, mapping.ErrCut) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("%s cut to %d of %d bytes: error %v, want ErrCut with the file's name", name, left, info.Size(), err)
			}
			if err := Write(filepath.Join(t.TempDir(), "y.pt"), tiny(), must(t, f), nil); !errors.Is(err, mapping.ErrCut) {
				t.Errorf("%s: writing gives %v", name, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if err := Write(path, tiny(), state, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// NaN and infinities in a file are found when it is loaded and when it is converted, with the tensor's name, and pass when that is asked for.
// fault 7, 19.7
func TestNotFiniteIsFound(t *testing.T) {
	for _, kind := range []string{"F32", "F16", "BF16"} {
		state := randomState(tiny(), 1)
		const name = "visual.proj"
		at := slices.IndexFunc(state, func(x tensor.Tensor) bool { return x.Name == name })
		values, err := state[at].Float32()
		if err != nil {
			t.Fatal(err)
		}
		values[5], values[9] = float32(math.NaN()), float32(math.Inf(-1))
		state[at] = map[string]func(string, []int, []float32) tensor.Tensor{"F32": tensor.F32, "F16": tensor.F16, "BF16": tensor.BF16}[kind](name, state[at].Shape, values)
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := WriteSafetensors(path, state, nil); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cfg, out := tiny(), filepath.Join(t.TempDir(), "y.pt")
		for what, err := range map[string]error{"Load": Load(recorder{}, cfg, f), "Convert": Convert(path, out, ConvertOptions{Config: &cfg}),
			"Convert to half": Convert(path, out, ConvertOptions{Config: &cfg, Half: true})} {
			if !errors.Is(err, tensor.ErrNotFinite) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "2 of the") || !strings.Contains(err.Error(), AllowNotFinite) {
				t.Errorf("%s, %s: %v", kind, what, err)
			}
		}
		t.Setenv(AllowNotFinite, "1")
		if err := Load(recorder{}, cfg, f); err != nil || len(f.Remarks) != 1 || !strings.Contains(f.Remarks[0], name) {
			t.Errorf("%s: %v, remarks %q", kind, err, f.Remarks)
		}
		t.Setenv(AllowNotFinite, "")
	}
}

func must(t *testing.T, f *File) []tensor.Tensor {
	t.Helper()
	state, err := StateDict(tiny(), f)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// Axes of 0 let a file claim any size without a byte of data: no loop and no memory may follow the claim.
// fault 5
func TestClaimsWithoutData(t *testing.T) {
	claims := []tensor.Tensor{
		{Name: "visual_projection.weight", DType: "F32", Shape: []int{1 << 60, 0}},
		{Name: "text_projection.weight", DType: "F32", Shape: []int{0, 1 << 60}},
		{Name: "vision_model.embeddings.position_embedding.weight", DType: "F32", Shape: []int{1 << 60, 0}},
		{Name: "text_model.embeddings.word_embeddings.weight", DType: "F32", Shape: []int{1 << 20, 0}},
	}
	f := fileOf(t, "claims", claims)
	if _, err := Architecture(f); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
	if err := Load(recorder{}, tiny(), f); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
	if _, err := LoadResized(recorder{}, tiny(), f); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
	x, err := tensor.Transpose("x", tensor.Tensor{DType: "F32", Shape: []int{1 << 60, 0}})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := x.Bytes(); err != nil || len(data) != 0 {
		t.Error(err)
	}
	// A text tower that claims a million hidden channels in an empty matrix: the shapes tell an architecture, the file does not hold it.
	var state []tensor.Tensor
	for _, x := range randomState(tiny(), 1) {
		if strings.HasSuffix(x.Name, "intermediate.dense.weight") {
			x = tensor.Tensor{Name: x.Name, DType: "F32", Shape: []int{1 << 20, 0}}
		}
		state = append(state, x)
	}
	path := t.TempDir() + "/x.safetensors"
	if err := WriteSafetensors(path, state, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenModel(path); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
}

// Whatever a sound file names, looking at it ends in an architecture or an error.
func FuzzArchitecture(f *testing.F) {
	for _, header := range []string{
		`{"visual.conv1.weight":{"dtype":"F32","shape":[0,3,8,8],"data_offsets":[0,0]}}`,
		`{"vision_model.encoder.layers.0.self_attn.q_proj.weight":{"dtype":"F32","shape":[0,1],"data_offsets":[0,0]}}`,
		`{"bert.encoder.layer.0.attention.self.Wqkv.weight":{"dtype":"F32","shape":[0,1],"data_offsets":[0,0]}}`,
		`{"module.visual.layer1.0.conv1.weight":{"dtype":"F32","shape":[4,4,0,1],"data_offsets":[0,0]}}`,
	} {
		f.Add(safetensorsBytes(header, 0))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("fuzz", data)
		if err != nil {
			return
		}
		if cfg, err := Architecture(file); err == nil && cfg.Check() != nil {
			t.Error(cfg.Check())
		}
		if err := Load(recorder{}, tiny(), file); err == nil {
			t.Error("loaded")
		}
	})
}
