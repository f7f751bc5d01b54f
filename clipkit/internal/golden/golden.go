// Package golden gives tests the values that the reference, OFA-Sys/Chinese-CLIP in PyTorch (float32, CPU), computes for two tiny random models.
//
//	cfg := golden.Config(t, "vit")                       // or "rn"
//	f := golden.Open(t, "vit/forward_eval.safetensors")
//	want := golden.Values(t, f, "image_features")
//	golden.Close(t, "image features", got, want, 1e-4)   // relative to the largest value
//
// Each comparison with the reference is a row of testdata/parity.md (Parity reports it, the program ./parity writes the table).
//
// Under testdata, vit and rn hold a model each: its first weights, batches, features, losses, gradients and parameters after optimizer steps.
// e2e holds a training run of the reference's own scripts, with their logs and checkpoints. Only tests import this package.
package golden

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/weights"
)

// Path of a file under testdata: where this file was compiled, or in the repository in which a test binary from elsewhere runs.
func Path(name string) string {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "testdata")
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Join(repo.Root(), "clipkit", "internal", "golden", "testdata")
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// Open reads a safetensors file under testdata.
func Open(t testing.TB, name string) *weights.File {
	t.Helper()
	f, err := weights.Open(Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// JSON reads a JSON file under testdata into v.
func JSON(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(Path(name))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Config is the configuration of the tiny model "vit" or "rn", or of the end-to-end run's, "e2e".
func Config(t testing.TB, kind string) arch.Config {
	t.Helper()
	cfg, err := ReadConfig(kind)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// ReadConfig is Config where there is no test.
func ReadConfig(kind string) (arch.Config, error) {
	var files [][]byte
	for _, name := range map[string][2]string{"vit": {"tiny-vit.json", "tiny-text.json"}, "rn": {"tiny-rn.json", "tiny-text-rn.json"}, "e2e": {"tiny-vit.json", "tiny-text-e2e.json"}}[kind] {
		b, err := os.ReadFile(Path(name))
		if err != nil {
			return arch.Config{}, err
		}
		files = append(files, b)
	}
	return arch.Parse("tiny-"+kind, files...)
}

// Values is one tensor as float32.
func Values(t testing.TB, f *weights.File, name string) []float32 {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// IDs is one tensor of token ids.
func IDs(t testing.TB, f *weights.File, name string) []int32 {
	t.Helper()
	values := Values(t, f, name)
	ids := make([]int32, len(values))
	for i, v := range values {
		ids[i] = int32(v)
	}
	return ids
}

// Difference is the largest absolute difference, and this difference as a share of the largest wanted value.
func Difference(got, want []float32) (abs, rel float64) {
	if len(got) != len(want) {
		return math.Inf(1), math.Inf(1)
	}
	top := 0.0
	for i := range want {
		abs = math.Max(abs, math.Abs(float64(got[i])-float64(want[i])))
		top = math.Max(top, math.Abs(float64(want[i])))
	}
	if math.IsNaN(abs) {
		return math.Inf(1), math.Inf(1)
	}
	if top > 0 {
		rel = abs / top
	}
	return abs, rel
}

// Close fails the test when got is further from want than tolerance, relative to want's largest value. It makes a row of the parity table.
func Close(t testing.TB, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
	}
	abs, rel := Difference(got, want)
	Parity(t, what, len(want), abs, rel, tolerance)
}

// CloseTensors compares every tensor of a file of parameters or gradients, kind/file.safetensors, but for attention key biases, whose gradient is only
// rounding noise. width is that of the text tower: of the word embeddings the file has some rows.
func CloseTensors(t testing.TB, width int, kind, file string, limit func(name string, want []float32) float64, get func(name string) []float32) {
	t.Helper()
	f := Open(t, kind+"/"+file+".safetensors")
	rows := Values(t, f, "word_embedding_rows") // those of the word embedding that the file keeps
	compared := 0
	for _, name := range f.Names() {
		if name == "word_embedding_rows" || name == "loss" || strings.HasSuffix(name, "key.bias") || strings.HasSuffix(name, "k_proj.bias") {
			continue
		}
		got, want := get(name), Values(t, f, name)
		if strings.HasSuffix(name, "word_embeddings.weight") {
			var some []float32
			for _, r := range rows {
				some = append(some, got[int(r)*width:(int(r)+1)*width]...)
			}
			got = some
		}
		if strings.HasSuffix(name, "attn.in_proj_bias") { // its middle third is the key bias
			third := len(got) / 3
			got, want = slices.Concat(got[:third], got[2*third:]), slices.Concat(want[:third], want[2*third:])
		}
		Close(t, file+" "+name, got, want, limit(name, want))
		compared++
	}
	if compared < 40 {
		t.Errorf("%s/%s: only %d tensors compared", kind, file, compared)
	}
}
