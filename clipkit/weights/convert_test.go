package weights

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// From form to form and back the bytes stay the same.
func TestConvert(t *testing.T) {
	cfg, dir := full(), t.TempDir()
	want := randomState(cfg, 3)
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := WriteSafetensors(path("module.safetensors"), renamed(want, module), nil); err != nil {
		t.Fatal(err)
	}
	o := ConvertOptions{Config: &cfg} // heads of 32 channels
	for _, step := range []struct {
		in, out string
		o       ConvertOptions
	}{
		{"module.safetensors", "a.pt", o}, {"a.pt", "b.safetensors", o}, {"b.safetensors", "folder", ConvertOptions{}},
		{"folder", "c.safetensors", ConvertOptions{Flash: true}}, {"c.safetensors", "d.pt", ConvertOptions{}}, {"folder", "e.pt", ConvertOptions{}},
	} {
		if err := Convert(path(step.in), path(step.out), step.o); err != nil {
			t.Fatalf("%s to %s: %v", step.in, step.out, err)
		}
	}
	for _, name := range []string{"a.pt", "b.safetensors", "folder", "c.safetensors", "d.pt", "e.pt"} {
		f, found, err := OpenModel(path(name))
		if err != nil {
			t.Fatal(name, err)
		}
		if !strings.HasSuffix(name, ".pt") && !reflect.DeepEqual(found, cfg) {
			t.Errorf("%s: %+v, want %+v", name, found, cfg)
		}
		got := recorder{}
		if err := Load(got, cfg, f); err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			got.mustEqual(t, want)
		}
		f.Close()
	}
	for name, out := range map[string]string{"itself": "a.pt", "no form": "x.zip"} {
		if err := Convert(path("a.pt"), path(out), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := Convert(path("a.pt"), path("flash-folder"), ConvertOptions{Config: &cfg, Flash: true}); err == nil {
		t.Error("a folder with names of flash attention")
	}
	if _, err := os.Stat(path("flash-folder")); err == nil {
		t.Error("a folder is there")
	}
}

// A .pt keeps its epoch and loses its optimizer.
func TestConvertMakesSlim(t *testing.T) {
	cfg, dir := full(), t.TempDir()
	in, out := filepath.Join(dir, "in.pt"), filepath.Join(dir, "out.pt")
	if err := pytorch.Write(in, randomState(cfg, 3), &pytorch.Checkpoint{Epoch: 3, Step: 70, Name: "run"}); err != nil {
		t.Fatal(err)
	}
	if err := Convert(in, out, ConvertOptions{Config: &cfg}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ck := f.Checkpoint; ck == nil || ck.Epoch != 3 || ck.Step != 70 || ck.Name != "run" || ck.Optimizer != nil {
		t.Errorf("%+v", ck)
	}
}

// Half precision halves what the reference halves, on a model with batch norms too.
// fault 7
func TestConvertToHalf(t *testing.T) {
	rn, _ := arch.Lookup("RN50")
	rn.VisionLayers, rn.VisionWidth, rn.TextWidth, rn.TextHeads, rn.TextLayers, rn.VocabSize = arch.Layers{1, 1, 1, 1}, 8, 64, 1, 1, 30
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out.safetensors")
	state := randomState(rn, 3)
	if err := WriteSafetensors(in, state, nil); err != nil {
		t.Fatal(err)
	}
	if err := Convert(in, out, ConvertOptions{Half: true, Config: &rn}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	types := map[string]string{}
	for _, n := range f.Names() {
		x, err := f.Tensor(n)
		if err != nil {
			t.Fatal(err)
		}
		types[n] = x.DType
	}
	for name, want := range map[string]string{
		"logit_scale": "F32", "text_projection": "F16", "visual.bn1.weight": "F32", "visual.bn1.num_batches_tracked": "I64", "visual.conv1.weight": "F16",
		"visual.layer1.0.downsample.0.weight": "F16", "visual.layer1.0.downsample.1.weight": "F32", "visual.attnpool.positional_embedding": "F32",
		"visual.attnpool.q_proj.bias": "F16", "bert.embeddings.LayerNorm.weight": "F16",
	} {
		if types[name] != want {
			t.Errorf("%s is %s, want %s", name, types[name], want)
		}
	}
	i := slices.IndexFunc(state, func(x tensor.Tensor) bool { return x.Name == "text_projection" })
	state[i] = tensor.F32("text_projection", state[i].Shape, slices.Repeat([]float32{7e4}, state[i].Size()))
	if err := WriteSafetensors(in, state, nil); err != nil {
		t.Fatal(err)
	}
	if err := Convert(in, out, ConvertOptions{Half: true, Config: &rn}); err == nil || !strings.Contains(err.Error(), "text_projection") {
		t.Error(err)
	}
	if err := Convert(filepath.Join(dir, "absent.pt"), out, ConvertOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// OpenAI's TorchScript archive becomes the state dict that PyTorch sees in it (pytorch/testdata/pt/expected.json compares the archive with that).
func TestConvertOpenAI(t *testing.T) {
	const in = "pytorch/testdata/pt/openai_script.pt"
	want, err := Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	for _, name := range []string{"state.pt", "state.safetensors"} {
		out := filepath.Join(t.TempDir(), name)
		if err := Convert(in, out, ConvertOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := Open(out)
		if err != nil {
			t.Fatal(err)
		}
		if got.Checkpoint != nil || !slices.Equal(got.Names(), want.Names()) || len(got.Names()) != 29 {
			t.Errorf("%s: %v, %v", name, got.Checkpoint, got.Names())
		}
		for _, n := range want.Names() {
			a, _ := got.Tensor(n)
			b, _ := want.Tensor(n)
			if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || string(a.Data) != string(b.Data) {
				t.Errorf("%s: %s differs", name, n)
			}
		}
		got.Close()
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := Convert(in, out, ConvertOptions{}); err == nil || !strings.Contains(err.Error(), "end the name "+out+" in .pt or .safetensors") {
		t.Error(err)
	}
	if err := Convert(in, out+".pt", ConvertOptions{Flash: true}); err == nil || !strings.Contains(err.Error(), "flash attention") {
		t.Error(err)
	}
	if err := Convert("pytorch/testdata/pt/script.pt", out+".pt", ConvertOptions{}); !errors.Is(err, ErrMismatch) {
		t.Errorf("another archive: %v", err)
	}
}
