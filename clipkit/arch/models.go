package arch

// roberta adds a text tower to c. What the three text files of cn_clip/clip/model_configs have in common stands here.
func roberta(c Config, width, layers, heads, intermediate int) Config {
	c.VocabSize, c.TextMaxPositions, c.TextTypes = 21128, 512, 2
	c.TextAttnDropout, c.TextDropout, c.TextHiddenAct, c.TextInitRange = 0.1, 0.1, "gelu", 0.02
	c.TextWidth, c.TextLayers, c.TextHeads, c.TextIntermediate = width, layers, heads, intermediate
	if c.ContextLength == 0 {
		c.ContextLength = 52
	}
	return c
}

func base(c Config) Config  { return roberta(c, 768, 12, 12, 3072) }
func large(c Config) Config { return roberta(c, 1024, 24, 16, 4096) }
func rbt3(c Config) Config  { return roberta(c, 768, 3, 12, 3072) }

// models is the whole registry: the five published models in the reference's order, the sixth that has no published weights, and ours.
var models = []Config{
	base(Config{Name: "ViT-B-16", EmbedDim: 512, ImageResolution: 224, VisionLayers: Layers{12}, VisionWidth: 768, VisionPatchSize: 16}),
	base(Config{Name: "ViT-L-14", EmbedDim: 768, ImageResolution: 224, VisionLayers: Layers{24}, VisionWidth: 1024, VisionPatchSize: 14}),
	base(Config{Name: "ViT-L-14-336", EmbedDim: 768, ImageResolution: 336, VisionLayers: Layers{24}, VisionWidth: 1024, VisionPatchSize: 14}),
	large(Config{Name: "ViT-H-14", EmbedDim: 1024, ImageResolution: 224, VisionLayers: Layers{32}, VisionWidth: 1280, VisionPatchSize: 14, VisionHeadWidth: 80}),
	rbt3(Config{Name: "RN50", EmbedDim: 1024, ImageResolution: 224, VisionLayers: Layers{3, 4, 6, 3}, VisionWidth: 64}),
	base(Config{Name: "ViT-B-32", EmbedDim: 512, ImageResolution: 224, VisionLayers: Layers{12}, VisionWidth: 768, VisionPatchSize: 32}),
	emoji,
}

// emoji is the small model that is compiled in: 64×64 pictures, short texts, 11 MB in half precision. Its sizes are such
// that two processor cores train it in minutes.
var emoji = func() Config {
	c := roberta(Config{Name: "emoji", EmbedDim: 256, ImageResolution: 64, VisionLayers: Layers{2, 2, 2, 1}, VisionWidth: 24, ContextLength: 24}, 96, 3, 3, 384)
	c.TextMaxPositions, c.TextAttnDropout, c.TextDropout = 64, 0, 0
	return c
}()
