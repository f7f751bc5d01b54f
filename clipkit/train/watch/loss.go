// Package watch looks at a run's steps: a loss that leaps or stays where guessing is (Loss), how long the steps that are left take (Pace), what repeats in a
// step (Repeats), and how an epoch's pairs make its steps (Filled).
package watch

import (
	"fmt"
	"math"
	"slices"
)

// Loss watches the loss. What it remembers begins anew when a run is resumed.
type Loss struct {
	losses []float64 // the last ones, oldest first
	said   bool      // that the loss is stuck
}

const (
	lossesKept   = 50
	lossesNeeded = 10 // before a spike can be told
)

// Spiked tells whether a loss is more than factor times the median of those before it; 0 is never.
func (g *Loss) Spiked(loss, factor float64) (median float64, spiked bool) {
	if factor == 0 || len(g.losses) < lossesNeeded {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(g.losses))
	median = sorted[len(sorted)/2]
	return median, loss > factor*median
}

// Add remembers a loss.
func (g *Loss) Add(loss float64) {
	g.losses = append(g.losses, loss)
	if len(g.losses) > lossesKept {
		g.losses = g.losses[1:]
	}
}

// Stuck says, once, when the last losses are all what guessing among n pairs gives: ln n (reference issues #298, #362).
func (g *Loss) Stuck(n int) (text string, stuck bool) {
	chance := math.Log(float64(n))
	if g.said || len(g.losses) < lossesKept || slices.ContainsFunc(g.losses, func(l float64) bool { return math.Abs(l-chance) > 0.01*chance }) {
		return "", false
	}
	g.said = true
	return fmt.Sprintf("the loss has stayed at ln(%d) = %.3f, that of guessing, for %d steps: the model does not learn. "+
		"Usual reasons: a learning rate that is too high for the batch, captions that repeat, pictures and texts that do not belong together", n, chance, lossesKept), true
}

// Kept is how many losses are remembered at present.
func (g *Loss) Kept() int { return len(g.losses) }
