// Package arch describes the models: what each tower is made of, which tensors it has and how much work a pair costs.
//
// A Config is the reference's vision and text configuration in one (it merges them too, cn_clip/training/main.py:86-92), with the same JSON
// keys, so the files of cn_clip/clip/model_configs load as they are. The published models and the small embedded one are struct literals in
// the table of models.go.
//
//	cfg, err := arch.Lookup("ViT-B-16")
//	cfg.NumParams()                // 188262913
//	for _, t := range cfg.Tensors() // every tensor of the reference's state dict, in its order
//
// Errors: ErrUnknown names the models that exist. No tensor data lives here.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrUnknown is wrapped by Lookup for a name that is in no table.
var ErrUnknown = errors.New("arch: unknown model")

// Config holds both towers of a model. Widths and depths are counts, dropouts are probabilities.
type Config struct {
	Name string `json:"name,omitempty"` // "ViT-B-16", "emoji", …; not in the reference's files

	EmbedDim        int    `json:"embed_dim"`                   // width of the joint space
	ImageResolution int    `json:"image_resolution"`            // pictures are squashed to R×R
	VisionLayers    Layers `json:"vision_layers"`               // [12] for a ViT, [3,4,6,3] for a ResNet
	VisionWidth     int    `json:"vision_width"`                // channels of a token (ViT) or of the first stage (ResNet)
	VisionPatchSize int    `json:"vision_patch_size"`           // 0 (null) means ResNet
	VisionHeadWidth int    `json:"vision_head_width,omitempty"` // channels of one attention head, 64 when absent

	VocabSize        int     `json:"vocab_size"`
	TextAttnDropout  float64 `json:"text_attention_probs_dropout_prob"`
	TextHiddenAct    string  `json:"text_hidden_act"` // "gelu" (exact erf form)
	TextDropout      float64 `json:"text_hidden_dropout_prob"`
	TextWidth        int     `json:"text_hidden_size"`
	TextInitRange    float64 `json:"text_initializer_range"`
	TextIntermediate int     `json:"text_intermediate_size"`
	TextMaxPositions int     `json:"text_max_position_embeddings"`
	TextHeads        int     `json:"text_num_attention_heads"`
	TextLayers       int     `json:"text_num_hidden_layers"`
	TextTypes        int     `json:"text_type_vocab_size"`

	// ContextLength is how many tokens a text is padded or cut to, [CLS] and [SEP] included; 52 for the published models.
	ContextLength int `json:"context_length,omitempty"`
}

// Layers is the depth of the vision tower: one number for a ViT, four stages for a ResNet.
// RN50.json of the reference holds the list inside a string; both forms are read.
type Layers []int

// UnmarshalJSON reads 12, [3,4,6,3] and "[3,4,6,3]".
func (l *Layers) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		b = []byte(text)
	}
	var one int
	if json.Unmarshal(b, &one) == nil {
		*l = Layers{one}
		return nil
	}
	var list []int
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("vision_layers: want a number or a list of four, got %s", b)
	}
	*l = list
	return nil
}

// MarshalJSON writes a ViT's depth as a number, as the reference does.
func (l Layers) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]int(l))
}

// Parse merges configuration files of the reference (a vision and a text file, or one that has both) and checks the result.
func Parse(name string, files ...[]byte) (Config, error) {
	c := Config{Name: name}
	for i, f := range files {
		d := json.NewDecoder(bytes.NewReader(f))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return Config{}, fmt.Errorf("arch: reading configuration file %d of %q: %w", i+1, name, err)
		}
	}
	if c.ContextLength == 0 {
		c.ContextLength = 52
	}
	return c, c.Check()
}

// Check says what is wrong with a configuration that no model can be built from.
func (c Config) Check() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("arch: model %q: %s", c.Name, fmt.Sprintf(format, a...))
	}
	for _, f := range []struct {
		key string
		v   int
	}{
		{"embed_dim", c.EmbedDim}, {"image_resolution", c.ImageResolution}, {"vision_width", c.VisionWidth}, {"vocab_size", c.VocabSize},
		{"text_hidden_size", c.TextWidth}, {"text_intermediate_size", c.TextIntermediate}, {"text_max_position_embeddings", c.TextMaxPositions},
		{"text_num_attention_heads", c.TextHeads}, {"text_num_hidden_layers", c.TextLayers}, {"text_type_vocab_size", c.TextTypes},
	} {
		if f.v <= 0 || f.v > 1<<20 {
			return bad("%s is %d, want a positive count", f.key, f.v)
		}
	}
	for _, n := range c.VisionLayers {
		if n < 1 || n > 1000 {
			return bad("vision_layers %v out of range", c.VisionLayers)
		}
	}
	switch {
	case c.TextLayers > 1000:
		return bad("text_num_hidden_layers %d out of range", c.TextLayers)
	case c.TextHiddenAct != "gelu":
		return bad("text_hidden_act %q is not supported, only \"gelu\" is published", c.TextHiddenAct)
	case c.TextWidth%c.TextHeads != 0:
		return bad("text_hidden_size %d is not a multiple of %d heads", c.TextWidth, c.TextHeads)
	case c.ContextLength < 2 || c.ContextLength > c.TextMaxPositions:
		return bad("context_length %d, want 2 to %d", c.ContextLength, c.TextMaxPositions)
	case c.TextDropout < 0 || c.TextDropout >= 1 || c.TextAttnDropout < 0 || c.TextAttnDropout >= 1:
		return bad("dropout must be in [0,1)")
	case c.IsResNet():
		if len(c.VisionLayers) != 4 {
			return bad("a ResNet (no vision_patch_size) needs four vision_layers, got %v", c.VisionLayers)
		}
		if c.ImageResolution%32 != 0 || c.VisionWidth%2 != 0 {
			return bad("a ResNet needs image_resolution in multiples of 32 and an even vision_width")
		}
		if (c.VisionWidth*32)%c.headWidth() != 0 {
			return bad("attention pool of %d channels does not divide into heads of %d", c.VisionWidth*32, c.headWidth())
		}
	case len(c.VisionLayers) != 1:
		return bad("a ViT needs one number of vision_layers, got %v", c.VisionLayers)
	case c.ImageResolution%c.VisionPatchSize != 0:
		return bad("image_resolution %d is not a multiple of the patch size %d", c.ImageResolution, c.VisionPatchSize)
	case c.VisionWidth%c.headWidth() != 0:
		return bad("vision_width %d is not a multiple of the head width %d", c.VisionWidth, c.headWidth())
	}
	return nil
}

// IsResNet tells the two kinds of vision tower apart.
func (c Config) IsResNet() bool { return c.VisionPatchSize == 0 }

func (c Config) headWidth() int {
	if c.VisionHeadWidth > 0 {
		return c.VisionHeadWidth
	}
	return 64
}

// VisionHeads is the number of attention heads: of every ViT block, or of the ResNet's attention pool.
func (c Config) VisionHeads() int {
	if c.IsResNet() {
		return c.VisionWidth * 32 / c.headWidth()
	}
	return c.VisionWidth / c.headWidth()
}

// Grid is the number of patches (ViT) or final cells (ResNet) along one side.
func (c Config) Grid() int {
	if c.IsResNet() {
		return c.ImageResolution / 32
	}
	return c.ImageResolution / c.VisionPatchSize
}

// Lookup finds a model by name; slashes are read as dashes ("ViT-B/16").
func Lookup(name string) (Config, error) {
	name = strings.ReplaceAll(name, "/", "-")
	for _, c := range models {
		if c.Name == name {
			return c, nil
		}
	}
	return Config{}, fmt.Errorf("%w %q; known: %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Names lists the models of the table, the published ones first, in the reference's order.
func Names() []string {
	var names []string
	for _, c := range models {
		names = append(names, c.Name)
	}
	return names
}
