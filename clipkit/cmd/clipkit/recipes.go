package main

import (
	"fmt"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/recipe"

	"github.com/spf13/cobra"
)

func recipesCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "recipes [RECIPE]",
		Short:     "List the recipes with what each takes and reaches, or show one whole",
		Example:   "  " + goRun + " recipes\n  " + goRun + " recipes flickr30k/vit-b-16/full-8p",
		Args:      takes(0, 1, "at most one recipe"),
		ValidArgs: recipeNames(),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				r, err := clipkit.Recipe(args[0])
				if err != nil {
					return usageError{err}
				}
				fmt.Fprint(c.OutOrStdout(), r)
				return nil
			}
			for _, r := range recipe.All() {
				fmt.Fprintf(c.OutOrStdout(), "%s\n  %s\n", r.Name, strings.ReplaceAll(r.Promise(), "\n", "\n  "))
			}
			return nil
		},
	}
}
