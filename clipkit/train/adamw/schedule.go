package adamw

import (
	"math"
	"strconv"
	"strings"

	"clipnb/clipkit/arch"
)

// LearningRate at optimizer step s (from 0): a linear warm-up over the first warmup steps, then a cosine to 0 at total
// (cn_clip/training/scheduler.py:10).
func LearningRate(base float64, s, warmup, total int) float64 {
	if s < warmup {
		return base * float64(s+1) / float64(warmup)
	}
	return 0.5 * (1 + math.Cos(math.Pi*float64(s-warmup)/float64(total-warmup))) * base
}

// LayerScale is the share of the learning rate that a tensor gets when each block has decay times that of the block above it (as in BEiT):
// decay^(blocks above it + 1) for a block, one more for the embeddings and the stem below the first, 1 for the projections and whatever
// else is above the last. The blocks of a ResNet are its four stages.
func LayerScale(cfg arch.Config, name string, decay float64) float64 {
	if decay == 0 || decay == 1 {
		return 1
	}
	number := func(prefix string) (int, bool) {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			return 0, false
		}
		digits, _, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(digits)
		return n, err == nil
	}
	below := func(layer, layers int) float64 { return math.Pow(decay, float64(layers-layer)) } // layer −1: under the first
	if n, ok := number("bert.encoder.layer."); ok {
		return below(n, cfg.TextLayers)
	}
	if strings.HasPrefix(name, "bert.embeddings.") {
		return below(-1, cfg.TextLayers)
	}
	if cfg.IsResNet() {
		if n, ok := number("visual.layer"); ok {
			return below(n-1, len(cfg.VisionLayers))
		}
		if strings.HasPrefix(name, "visual.conv") || strings.HasPrefix(name, "visual.bn") {
			return below(-1, len(cfg.VisionLayers))
		}
		return 1
	}
	layers := cfg.VisionLayers[0]
	if n, ok := number("visual.transformer.resblocks."); ok {
		return below(n, layers)
	}
	for _, stem := range []string{"visual.class_embedding", "visual.positional_embedding", "visual.conv1.", "visual.ln_pre."} {
		if strings.HasPrefix(name, stem) {
			return below(-1, layers)
		}
	}
	return 1
}
