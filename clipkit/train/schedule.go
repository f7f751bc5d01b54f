package train

import "math"

// LearningRate at optimizer step s (from 0): a linear warm-up over the first warmup steps, then a cosine to 0 at total (SPEC §5.4).
func LearningRate(base float64, s, warmup, total int) float64 {
	if s < warmup {
		return base * float64(s+1) / float64(warmup)
	}
	return 0.5 * (1 + math.Cos(math.Pi*float64(s-warmup)/float64(total-warmup))) * base
}
