package zeroshot

import "clipnb/clipkit/exchange"

// Guess is a label with its probability among the labels that were given.
type Guess struct {
	Label       string
	Probability float32
}

// Options are for clipkit.EvaluateZeroShot; the zero value will do.
type Options struct {
	Labels      []string     // the classes' names, in their order; nil: the set's own
	Templates   Templates    // nil: ChineseTemplates
	Predictions *Predictions // keeps every picture's probabilities, for ELEVATER; nil: they are not kept

	SkipBudget int  // pictures that cannot be read are left out, so many at most; 0: dataset.SkipBudget
	Strict     bool // such a picture is an error, as it is with Predictions

	World exchange.World // the ranks that share the texts and pictures; nil: this process alone
}
