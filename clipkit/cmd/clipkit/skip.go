package main

import (
	"clipnb/clipkit/dataset"

	"github.com/spf13/cobra"
)

// skipFlags say what becomes of pictures that cannot be read.
type skipFlags struct {
	budget int
	strict bool
}

// add adds the flags; always are those that make a command strict by themselves.
func (f *skipFlags) add(c *cobra.Command, always string) {
	c.Flags().IntVar(&f.budget, "skip-budget", dataset.SkipBudget, "how many `PICTURES` that cannot be read are listed and left out; one more ends the work")
	c.Flags().BoolVar(&f.strict, "strict", false, "stop at the first picture that cannot be read"+always)
}

func (f *skipFlags) check() error {
	if f.budget < 0 {
		return wrong("--skip-budget %d: want 0 or more", f.budget)
	}
	if f.strict {
		f.budget = 0
	}
	return nil
}
