package weights

import (
	"encoding/json"
	"fmt"
	"strings"

	"clipnb/clipkit/arch"
)

// architectureKey is the entry in the metadata of our safetensors files that holds the arch.Config, as JSON.
const architectureKey = "clipkit_architecture"

// Architecture tells what model f holds: by its metadata, and where that does not say it, by its shapes (arch.Infer, with its assumptions).
// For a file that holds no Chinese-CLIP the error wraps ErrMismatch and says what it holds instead.
func Architecture(f *File) (arch.Config, error) {
	if text, ok := f.Metadata[architectureKey]; ok {
		var cfg arch.Config
		if err := json.Unmarshal([]byte(text), &cfg); err != nil {
			return arch.Config{}, fmt.Errorf("%s: reading the architecture in its metadata: %w", f.name, err)
		}
		return cfg, cfg.Check()
	}
	r, _, err := f.reference()
	if err != nil {
		return arch.Config{}, err
	}
	cfg, err := arch.Infer(r.shape)
	if err == nil {
		return cfg, nil
	}
	if kind := r.otherModel(); kind != "" {
		return arch.Config{}, fmt.Errorf("%s: %w: it is %s", f.name, ErrMismatch, kind)
	}
	return arch.Config{}, fmt.Errorf("%s: %w: %w", f.name, ErrMismatch, err)
}

// shape of a tensor, nil when there is none.
func (f *File) shape(name string) []int {
	t, ok := f.tensors[name]
	if !ok {
		return nil
	}
	return t.Shape
}

// advice is the start of the message about a file that does not fit cfg: which model it would fit, or what it holds instead.
func (f *File) advice(cfg arch.Config) string {
	fit, err := arch.Infer(f.shape)
	switch kind := f.otherModel(); {
	case err == nil && fit.Name != "" && fit.Name != cfg.Name:
		return fmt.Sprintf("these are the shapes of %q; ", fit.Name)
	case kind != "":
		return fmt.Sprintf("it is %s; ", kind)
	case err == nil && fit.Name == "" && !fit.IsResNet():
		return fmt.Sprintf("these are the shapes of a ViT with %d layers of width %d, patch %d, %d×%d pixels, and a text tower with %d layers of width %d; ",
			fit.VisionLayers[0], fit.VisionWidth, fit.VisionPatchSize, fit.ImageResolution, fit.ImageResolution, fit.TextLayers, fit.TextWidth)
	}
	return ""
}

// otherModel says what a file holds that was taken for a Chinese-CLIP, and what to do with it; "" when it has both towers. f must be under the
// reference's names.
func (f *File) otherModel() string {
	has := func(test func(name, part string) bool, parts ...string) bool {
		for _, name := range f.order {
			for _, part := range parts {
				if test(name, part) {
					return true
				}
			}
		}
		return false
	}
	vision, text := has(strings.HasPrefix, "visual."), has(strings.HasPrefix, "bert.")
	switch {
	case has(strings.Contains, "lora_A", "lora_B", "lora_up", "lora_down"):
		return "a set of LoRA adapters: merge them into the model that they were trained on (peft: merge_and_unload) and load the result"
	case has(strings.Contains, "exp_avg", "adamw.m/"):
		return "the state of an optimizer: load the model's file, which is kept beside it"
	case has(strings.HasSuffix, "token_embedding.weight"):
		return "an English CLIP, whose text tower is no Chinese BERT: LoadInit takes its vision tower as initial weights"
	case vision && text:
		return ""
	case vision:
		return "a vision tower alone: LoadInit takes it as initial weights"
	case text && f.shape("text_projection") != nil:
		return "a text tower alone: it needs the file with both"
	case text, has(strings.HasPrefix, "embeddings.word_embeddings."):
		return "a BERT: LoadInit takes it as the text tower's initial weights"
	}
	return "no CLIP: it has neither visual.* nor bert.* tensors"
}
