package weights

import "strings"

// HalfByReference tells whether the reference's conversion to fp16 halves a tensor (convert_weights, cn_clip/clip/model.py:441-465):
// convolutions, linear layers, the whole of BERT and the projections. Vision norms, class and position embeddings, the attention pool's
// positions and the logit scale stay float32.
func HalfByReference(name string) bool {
	switch {
	case strings.HasPrefix(name, "bert."), name == "text_projection", name == "visual.proj":
		return true
	case name == "logit_scale":
		return false
	}
	for _, part := range []string{".bn", ".ln_", "downsample.1.", "embedding"} {
		if strings.Contains(name, part) {
			return false
		}
	}
	return strings.HasPrefix(name, "visual.")
}
