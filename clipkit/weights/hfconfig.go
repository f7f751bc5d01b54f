package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/weights/tensor"
)

// maxConfig bounds a config.json; the published ones have 5 kB.
const maxConfig = 1 << 20

// hfConfig is the part of ChineseCLIPConfig's config.json that makes a model. Some versions of transformers leave out values that are the
// default, so reading starts from hfDefault.
type hfConfig struct {
	Architectures  []string `json:"architectures"`
	ModelType      string   `json:"model_type"`
	ProjectionDim  int      `json:"projection_dim"`
	LogitScaleInit float64  `json:"logit_scale_init_value"`
	TorchDType     string   `json:"torch_dtype"`
	Text           hfText   `json:"text_config"`
	Vision         hfVision `json:"vision_config"`
}

type hfText struct {
	ModelType        string  `json:"model_type"`
	VocabSize        int     `json:"vocab_size"`
	HiddenSize       int     `json:"hidden_size"`
	Layers           int     `json:"num_hidden_layers"`
	Heads            int     `json:"num_attention_heads"`
	IntermediateSize int     `json:"intermediate_size"`
	HiddenAct        string  `json:"hidden_act"`
	Dropout          float64 `json:"hidden_dropout_prob"`
	AttnDropout      float64 `json:"attention_probs_dropout_prob"`
	MaxPositions     int     `json:"max_position_embeddings"`
	Types            int     `json:"type_vocab_size"`
	InitRange        float64 `json:"initializer_range"`
	Eps              float64 `json:"layer_norm_eps"`
	PadToken         int     `json:"pad_token_id"`
}

type hfVision struct {
	ModelType        string  `json:"model_type"`
	HiddenSize       int     `json:"hidden_size"`
	IntermediateSize int     `json:"intermediate_size"`
	ProjectionDim    int     `json:"projection_dim"`
	Layers           int     `json:"num_hidden_layers"`
	Heads            int     `json:"num_attention_heads"`
	Channels         int     `json:"num_channels"`
	ImageSize        int     `json:"image_size"`
	PatchSize        int     `json:"patch_size"`
	HiddenAct        string  `json:"hidden_act"`
	Eps              float64 `json:"layer_norm_eps"`
}

// hfDefault holds the defaults of transformers' classes.
func hfDefault() hfConfig {
	return hfConfig{
		ProjectionDim: 512, LogitScaleInit: 2.6592, TorchDType: "float32",
		Text: hfText{ModelType: "chinese_clip_text_model", VocabSize: 30522, HiddenSize: 768, Layers: 12, Heads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
			Dropout: 0.1, AttnDropout: 0.1, MaxPositions: 512, Types: 2, InitRange: 0.02, Eps: 1e-12},
		Vision: hfVision{ModelType: "chinese_clip_vision_model", HiddenSize: 768, IntermediateSize: 3072, ProjectionDim: 512, Layers: 12, Heads: 12, Channels: 3,
			ImageSize: 224, PatchSize: 32, HiddenAct: "quick_gelu", Eps: 1e-5},
	}
}

// parseHFConfig reads config.json. A model that differs from Chinese-CLIP in something for which arch.Config has no field is an error.
func parseHFConfig(data []byte) (arch.Config, error) {
	h := hfDefault()
	if err := json.Unmarshal(data, &h); err != nil {
		return arch.Config{}, fmt.Errorf("%w: %w", tensor.ErrFormat, err)
	}
	t, v := h.Text, h.Vision
	switch {
	case h.ModelType != "chinese_clip":
		return arch.Config{}, fmt.Errorf("%w: a folder of model type %q, want \"chinese_clip\"", ErrMismatch, h.ModelType)
	case v.HiddenAct != "quick_gelu" || v.Eps != 1e-5 || v.Channels != 3 || v.IntermediateSize != 4*v.HiddenSize:
		return arch.Config{}, fmt.Errorf("%w: a vision tower with hidden_act %q, layer_norm_eps %g, num_channels %d, intermediate_size %d; want quick_gelu, 1e-05, 3 and four times hidden_size",
			ErrMismatch, v.HiddenAct, v.Eps, v.Channels, v.IntermediateSize)
	case t.Eps != 1e-12 || t.PadToken != 0:
		return arch.Config{}, fmt.Errorf("%w: a text tower with layer_norm_eps %g and pad_token_id %d; want 1e-12 and 0", ErrMismatch, t.Eps, t.PadToken)
	case v.Heads < 1 || v.HiddenSize%v.Heads != 0:
		return arch.Config{}, fmt.Errorf("%w: vision hidden_size %d does not divide into %d heads", tensor.ErrFormat, v.HiddenSize, v.Heads)
	case v.PatchSize < 1:
		return arch.Config{}, fmt.Errorf("%w: patch_size %d", tensor.ErrFormat, v.PatchSize)
	}
	cfg := arch.Config{
		EmbedDim: h.ProjectionDim, ImageResolution: v.ImageSize, VisionLayers: arch.Layers{v.Layers}, VisionWidth: v.HiddenSize, VisionPatchSize: v.PatchSize,
		VocabSize: t.VocabSize, TextWidth: t.HiddenSize, TextLayers: t.Layers, TextHeads: t.Heads, TextIntermediate: t.IntermediateSize, TextHiddenAct: t.HiddenAct,
		TextDropout: t.Dropout, TextAttnDropout: t.AttnDropout, TextMaxPositions: t.MaxPositions, TextTypes: t.Types, TextInitRange: t.InitRange,
		ContextLength: min(52, t.MaxPositions),
	}
	if width := v.HiddenSize / v.Heads; width != 64 {
		cfg.VisionHeadWidth = width
	}
	for _, name := range arch.Names() {
		known, err := arch.Lookup(name)
		if err != nil {
			return arch.Config{}, err
		}
		if cfg.Name = known.Name; reflect.DeepEqual(cfg, known) {
			return known, nil
		}
	}
	cfg.Name = ""
	return cfg, cfg.Check()
}

// vocabSize is the number of lines of the compiled-in vocabulary.
const vocabSize = 21128

// hfFiles are the small files of a model folder.
func hfFiles(cfg arch.Config) (map[string][]byte, error) {
	if cfg.IsResNet() {
		return nil, fmt.Errorf("%w: %q has a ResNet as its vision tower; write a .pt or .safetensors file", ErrNoHF, cfg.Name)
	}
	if cfg.VocabSize != vocabSize {
		return nil, fmt.Errorf("%w: %q has %d words, the vocabulary %d", ErrNoHF, cfg.Name, cfg.VocabSize, vocabSize)
	}
	h := hfDefault()
	h.Architectures, h.ModelType, h.ProjectionDim = []string{"ChineseCLIPModel"}, "chinese_clip", cfg.EmbedDim
	t, v := &h.Text, &h.Vision
	t.VocabSize, t.HiddenSize, t.Layers, t.Heads, t.IntermediateSize = cfg.VocabSize, cfg.TextWidth, cfg.TextLayers, cfg.TextHeads, cfg.TextIntermediate
	t.HiddenAct, t.Dropout, t.AttnDropout, t.MaxPositions, t.Types, t.InitRange = cfg.TextHiddenAct, cfg.TextDropout, cfg.TextAttnDropout, cfg.TextMaxPositions, cfg.TextTypes, cfg.TextInitRange
	v.HiddenSize, v.IntermediateSize, v.ProjectionDim, v.Layers, v.Heads = cfg.VisionWidth, 4*cfg.VisionWidth, cfg.EmbedDim, cfg.VisionLayers[0], cfg.VisionHeads()
	v.ImageSize, v.PatchSize = cfg.ImageResolution, cfg.VisionPatchSize

	type object = map[string]any
	tokens := object{"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
	tokenizer := object{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "tokenize_chinese_chars": true, "strip_accents": nil, "model_max_length": cfg.TextMaxPositions}
	for key, token := range tokens {
		tokenizer[key] = token
	}
	picture := object{
		"image_processor_type": "ChineseCLIPImageProcessor", "feature_extractor_type": "ChineseCLIPFeatureExtractor", "processor_class": "ChineseCLIPProcessor",
		"do_resize": true, "size": object{"height": cfg.ImageResolution, "width": cfg.ImageResolution}, "resample": 3, "do_center_crop": false, "do_convert_rgb": true,
		"do_rescale": true, "rescale_factor": 1.0 / 255, "do_normalize": true,
		"image_mean": []float64{0.48145466, 0.4578275, 0.40821073}, "image_std": []float64{0.26862954, 0.26130258, 0.27577711},
	}
	values := object{"config.json": h, "preprocessor_config.json": picture, "tokenizer_config.json": tokenizer, "special_tokens_map.json": tokens}
	files := map[string][]byte{}
	for name, value := range values {
		data, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return nil, err
		}
		files[name] = append(data, '\n')
	}
	return files, nil
}

// readSmall reads a file, and refuses one of more than limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	data, err := regular.ReadFile(path, limit)
	if errors.Is(err, regular.ErrTooLong) {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, tensor.ErrFormat, limit)
	}
	return data, err
}
