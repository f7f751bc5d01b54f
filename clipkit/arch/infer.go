package arch

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrShapes is wrapped by Infer when the shapes are not those of a Chinese-CLIP.
var ErrShapes = errors.New("arch: not the shapes of a Chinese-CLIP model")

// maxInferred bounds how many blocks or layers are counted.
const maxInferred = 1000

// Infer finds the architecture from the shapes of a state dict under the reference's names; shape gives nil for a name that is not there.
//
// A model of the table is found with its name and everything else that belongs to it. Of any other model the widths, depths, patch, grid and
// embedding width are read. What no shape shows is assumed to be what all published models but ViT-H-14 have: heads of 64 channels in both
// towers, dropout 0.1, texts of 52 tokens. A model with other heads needs its configuration (Parse). The error lists what is missing or odd.
func Infer(shape func(name string) []int) (Config, error) {
	r := reader{shape: shape}
	c := roberta(Config{}, 0, 0, 0, 0)
	words := r.get("bert.embeddings.word_embeddings.weight", 2)
	c.VocabSize, c.TextWidth = words[0], words[1]
	c.TextMaxPositions = r.get("bert.embeddings.position_embeddings.weight", 2)[0]
	c.TextTypes = r.get("bert.embeddings.token_type_embeddings.weight", 2)[0]
	c.TextLayers = r.count("bert.encoder.layer.%d.intermediate.dense.weight")
	c.TextIntermediate = r.get("bert.encoder.layer.0.intermediate.dense.weight", 2)[0]
	c.TextHeads = r.heads("text", c.TextWidth)
	c.EmbedDim = r.get("text_projection", 2)[1]
	c.ContextLength = min(52, c.TextMaxPositions)
	if shape("visual.layer1.0.conv1.weight") != nil {
		r.resnet(&c)
	} else {
		r.vit(&c)
	}
	if r.err != nil {
		return Config{}, r.err
	}
	if err := c.Check(); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrShapes, err)
	}
	for _, known := range models {
		if c.sameTensors(known) {
			return known, nil
		}
	}
	if r.unusual != "" {
		return Config{}, fmt.Errorf("%w: %s, the usual head width: give the model's configuration", ErrShapes, r.unusual)
	}
	return c, nil
}

// sameTensors tells whether both have the same names and shapes.
func (c Config) sameTensors(d Config) bool {
	if c.EmbedDim != d.EmbedDim || c.VisionWidth != d.VisionWidth || c.TextWidth != d.TextWidth {
		return false // the usual case, without the lists
	}
	return slices.EqualFunc(c.Tensors(), d.Tensors(), func(a, b Tensor) bool { return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) })
}

// reader asks for shapes and collects what is missing or odd.
type reader struct {
	shape   func(name string) []int
	err     error
	unusual string // a width that heads of 64 do not divide: only a model of the table can still fit
}

func (r *reader) bad(format string, a ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrShapes, fmt.Sprintf(format, a...))
		return
	}
	r.err = fmt.Errorf("%w; %s", r.err, fmt.Sprintf(format, a...))
}

// get is the shape of a tensor that must have the given number of axes; for a missing tensor it is all zeros.
func (r *reader) get(name string, axes int) []int {
	switch s := r.shape(name); {
	case s == nil:
		r.bad("no %s", name)
	case len(s) != axes:
		r.bad("%s has shape %v, want %d axes", name, s, axes)
	default:
		return s
	}
	return make([]int, axes)
}

// count is how many numbered names exist.
func (r *reader) count(format string) int {
	n := 0
	for n < maxInferred && r.shape(fmt.Sprintf(format, n)) != nil {
		n++
	}
	return n
}

// heads is how many heads of 64 channels make the width; 1 for a width that is no multiple of 64.
func (r *reader) heads(tower string, width int) int {
	if width%64 != 0 {
		r.unusual = fmt.Sprintf("the %s width %d is not a multiple of 64", tower, width)
		return 1
	}
	return width / 64
}

// grid is the side of the square that the positions make without the one of the class token.
func (r *reader) grid(name string) int {
	n := r.get(name, 2)[0] - 1
	if n < 1 {
		return 0
	}
	side := int(math.Round(math.Sqrt(float64(n))))
	if side*side != n {
		r.bad("%s has %d positions, which is not one more than a square", name, n+1)
	}
	return side
}

func (r *reader) vit(c *Config) {
	conv := r.get("visual.conv1.weight", 4)
	c.VisionWidth, c.VisionPatchSize = conv[0], conv[3]
	c.VisionLayers = Layers{r.count("visual.transformer.resblocks.%d.ln_1.weight")}
	if c.VisionLayers[0] == 0 {
		r.bad("no visual.transformer.resblocks")
	}
	c.ImageResolution = r.grid("visual.positional_embedding") * c.VisionPatchSize
	if heads := r.heads("vision", c.VisionWidth); heads*64 != c.VisionWidth {
		c.VisionHeadWidth = c.VisionWidth
	}
}

func (r *reader) resnet(c *Config) {
	c.VisionWidth = r.get("visual.layer1.0.conv1.weight", 4)[0]
	for stage := 1; stage <= 4; stage++ {
		blocks := r.count(fmt.Sprintf("visual.layer%d.%%d.conv1.weight", stage))
		if blocks == 0 {
			r.bad("no visual.layer%d", stage)
		}
		c.VisionLayers = append(c.VisionLayers, blocks)
	}
	c.ImageResolution = 32 * r.grid("visual.attnpool.positional_embedding")
}
