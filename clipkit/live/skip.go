package live

import (
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
)

// Skip is how a verb leaves out pictures that cannot be read, budget of them at most; say is rank 0's.
func Skip(w exchange.World, budget int, say func(line string)) *dataset.Skipped {
	k := &dataset.Skipped{Budget: budget}
	if w.Rank() == 0 {
		k.Say = say
	}
	return k
}
