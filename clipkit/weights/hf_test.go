package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// full is tiny with the vocabulary that a model folder has.
func full() arch.Config {
	cfg := tiny()
	cfg.Name, cfg.VocabSize, cfg.TextMaxPositions, cfg.VisionHeadWidth = "", vocabSize, 512, 32
	return cfg
}

func TestFolderRoundTrip(t *testing.T) {
	cfg, dir := full(), filepath.Join(t.TempDir(), "model")
	want := randomState(cfg, 1)
	if err := writeHF(dir, cfg, want); err != nil {
		t.Fatal(err)
	}
	f, back, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !reflect.DeepEqual(back, cfg) {
		t.Errorf("configuration %+v, want %+v", back, cfg)
	}
	if f.Metadata["format"] != "pt" || !slices.Contains(f.Names(), "vision_model.encoder.layers.1.self_attn.v_proj.bias") {
		t.Errorf("metadata %v, names %v", f.Metadata, f.Names())
	}
	got := recorder{}
	if err := Load(got, back, f); err != nil {
		t.Fatal(err)
	}
	got.mustEqual(t, want)
	again, err := StateDict(back, f)
	if err != nil || len(again) != len(want) || again[0].Name != "text_projection" {
		t.Errorf("%d tensors, %v", len(again), err)
	}
}

// The published models come back from their config.json with their names.
func TestConfigOfThePublishedModels(t *testing.T) {
	for _, name := range arch.Names() {
		cfg, _ := arch.Lookup(name)
		files, err := hfFiles(cfg)
		if cfg.IsResNet() {
			if !errors.Is(err, ErrNoHF) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseHFConfig(files["config.json"]); err != nil || !reflect.DeepEqual(got, cfg) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	cfg := full()
	if err := writeHF(t.TempDir(), cfg, randomState(cfg, 1)[1:]); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "missing text_projection") {
		t.Errorf("a state dict with a hole: %v", err)
	}
	small := tiny()
	if err := writeHF(t.TempDir(), small, nil); !errors.Is(err, ErrNoHF) {
		t.Errorf("a model of %d words: %v", small.VocabSize, err)
	}
}

// Fields that transformers leaves out have its defaults.
func TestConfigDefaults(t *testing.T) {
	got, err := parseHFConfig([]byte(`{"model_type":"chinese_clip","text_config":{"vocab_size":21128},"vision_config":{"patch_size":16}}`))
	if err != nil || got.Name != "ViT-B-16" {
		t.Errorf("%+v, %v", got, err)
	}
}

var badConfigs = map[string]string{
	"not JSON":        `{`,
	"english":         `{"model_type":"clip"}`,
	"activation":      `{"model_type":"chinese_clip","vision_config":{"hidden_act":"gelu"}}`,
	"text activation": `{"model_type":"chinese_clip","text_config":{"hidden_act":"relu"}}`,
	"eps":             `{"model_type":"chinese_clip","text_config":{"layer_norm_eps":1e-5}}`,
	"no heads":        `{"model_type":"chinese_clip","vision_config":{"num_attention_heads":0}}`,
	"uneven heads":    `{"model_type":"chinese_clip","vision_config":{"num_attention_heads":7}}`,
	"no patch":        `{"model_type":"chinese_clip","vision_config":{"patch_size":0}}`,
	"patch":           `{"model_type":"chinese_clip","vision_config":{"patch_size":-32}}`,
	"layers":          `{"model_type":"chinese_clip","text_config":{"num_hidden_layers":1000000}}`,
	"wrong type":      `{"model_type":"chinese_clip","projection_dim":"512"}`,
}

func TestBadConfigs(t *testing.T) {
	for name, text := range badConfigs {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, bytes.Repeat([]byte{' '}, maxConfig+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenModel(dir); !errors.Is(err, tensor.ErrFormat) {
		t.Errorf("a config.json of more than %d bytes: %v", maxConfig, err)
	}
	if err := os.WriteFile(path, []byte(`{"model_type":"chinese_clip"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), "neither model.safetensors nor") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), "max_shard_size") {
		t.Error(err)
	}
}

func FuzzConfig(f *testing.F) {
	for _, text := range badConfigs {
		f.Add([]byte(text))
	}
	cfg, _ := arch.Lookup("ViT-H-14")
	files, err := hfFiles(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files["config.json"])
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := parseHFConfig(data)
		if err != nil {
			return
		}
		if len(cfg.Tensors()) == 0 {
			t.Error("a model without tensors")
		}
	})
}

// python runs the script beside the reference and transformers, or skips the test with the reason.
func python(t *testing.T, args ...string) []byte {
	t.Helper()
	program := os.Getenv("CLIPKIT_TORCH_PYTHON")
	if program == "" {
		program = "python3"
	}
	out, err := exec.Command(program, append([]string{"testdata/hf_check.py"}, args...)...).Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 3:
		t.Skipf("%s lacks a package (set CLIPKIT_TORCH_PYTHON): %s", program, bytes.TrimSpace(out))
	case errors.As(err, &exit):
		t.Fatalf("%s: %v\n%s", program, err, exit.Stderr)
	case err != nil:
		t.Skipf("no %s (set CLIPKIT_TORCH_PYTHON): %v", program, err)
	}
	return out
}

// The same weights in transformers and in the reference give the same features, whichever of us wrote the folder.
func TestTransformersAgrees(t *testing.T) {
	theirs, ours := filepath.Join(t.TempDir(), "theirs"), filepath.Join(t.TempDir(), "ours")
	python(t, "make", theirs)
	cfg := full()
	if err := writeHF(ours, cfg, randomState(cfg, 7)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{ours, theirs} {
		if dir == theirs { // what transformers saved lacks the small files of the preparation
			for _, name := range []string{"vocab.txt", "tokenizer_config.json", "preprocessor_config.json"} {
				data, err := os.ReadFile(filepath.Join(ours, name))
				if err == nil {
					err = os.WriteFile(filepath.Join(theirs, name), data, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		f, cfg, err := OpenModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		state, err := StateDict(cfg, f)
		if err != nil {
			t.Fatal(err)
		}
		statePath, configPath := filepath.Join(t.TempDir(), "state.safetensors"), filepath.Join(t.TempDir(), "config.json")
		config, err := json.Marshal(cfg)
		if err == nil {
			err = os.WriteFile(configPath, config, 0o644)
		}
		if err == nil {
			err = WriteSafetensors(statePath, state, map[string]string{"format": "pt"})
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		var got struct {
			Image, Text, Logits             float64
			Missing, Unexpected, Mismatched []string
			SameTokens                      bool `json:"same_tokens"`
			Size                            []int
		}
		if err := json.Unmarshal(python(t, "compare", dir, statePath, configPath), &got); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: largest difference of features %.2g (pictures) %.2g (texts), of logits %.2g", filepath.Base(dir), got.Image, got.Text, got.Logits)
		if !(got.Image <= 1e-5) || !(got.Text <= 1e-5) || !(got.Logits <= 1e-4) || len(got.Missing)+len(got.Unexpected)+len(got.Mismatched) > 0 ||
			!got.SameTokens || !slices.Equal(got.Size, []int{32, 32}) {
			t.Errorf("%s: %+v", dir, got)
		}
	}
}
