package train

import (
	"fmt"
	"math"
	"slices"
)

// guard watches the loss. What it remembers begins anew when a run is resumed.
type guard struct {
	losses []float64 // the last ones, oldest first
	said   bool      // that the loss is stuck
}

const (
	lossesKept   = 50
	lossesNeeded = 10 // before a spike can be told
)

// spiked tells whether a loss is more than factor times the median of those before it; 0 is never.
func (g *guard) spiked(loss, factor float64) (median float64, spiked bool) {
	if factor == 0 || len(g.losses) < lossesNeeded {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(g.losses))
	median = sorted[len(sorted)/2]
	return median, loss > factor*median
}

// add remembers a loss.
func (g *guard) add(loss float64) {
	g.losses = append(g.losses, loss)
	if len(g.losses) > lossesKept {
		g.losses = g.losses[1:]
	}
}

// stuck says, once, when the last losses are all what guessing among n pairs gives: ln n (reference issues #298, #362).
func (g *guard) stuck(n int) (text string, stuck bool) {
	chance := math.Log(float64(n))
	if g.said || len(g.losses) < lossesKept || slices.ContainsFunc(g.losses, func(l float64) bool { return math.Abs(l-chance) > 0.01*chance }) {
		return "", false
	}
	g.said = true
	return fmt.Sprintf("the loss has stayed at ln(%d) = %.3f, that of guessing, for %d steps: the model does not learn. "+
		"Usual reasons: a learning rate that is too high for the batch, captions that repeat, pictures and texts that do not belong together", n, chance, lossesKept), true
}

// notices are what users of the reference found out the hard way, said where it applies, before a run begins. trained is whether the model's
// logit scale is that of published weights.
func (c Config) notices(pairs int, trained bool) (lines []string) {
	if !trained {
		return nil
	}
	if c.perStep() < 256 && c.LR > 1e-5 && c.LoRARank == 0 {
		lines = append(lines, fmt.Sprintf("lr %.3g with %d pairs a step is high for weights that are trained already: it may end below where it began. "+
			"The reference's authors advise 5e-5 with 1024, and 2e-6 to 3e-6 with 48 to 96; or raise accum_freq", c.LR, c.perStep()))
	}
	if pairs < 18000 && c.BestMetric == "" {
		lines = append(lines, fmt.Sprintf("%d pairs are few (18000 is the least that the reference's users report): watch for overfitting with best_metric and patience; "+
			"lora_rank or freeze_vision train less", pairs))
	}
	return lines
}
