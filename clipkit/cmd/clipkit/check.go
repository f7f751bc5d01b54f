package main

import (
	"fmt"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset/check"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var o check.Options
	c := &cobra.Command{
		Use:     "check DATASET",
		Short:   "Say before training what will hurt it: false negatives, leaks, broken pictures, captions of [UNK] only",
		Example: "  " + goRun + " check --batch-size 256 --decode datasets/MUGE\n  " + goRun + " check emoji",
		Args:    takes(1, 1, "one data set"),
		RunE: func(c *cobra.Command, args []string) error {
			opened := slow(c.ErrOrStderr(), "opening", args[0])
			data, err := clipkit.OpenDataset(c.Context(), args[0])
			opened()
			if err != nil {
				return err
			}
			defer data.Close()
			said := perSplit{out: c.ErrOrStderr(), what: "pictures"}
			o.Progress = said.set
			report, err := check.Dataset(c.Context(), data, o)
			said.finish()
			if err != nil {
				return err
			}
			fmt.Fprint(c.OutOrStdout(), report)
			return nil
		},
	}
	c.Flags().IntVar(&o.BatchSize, "batch-size", 128, "the batch size of training to judge for")
	c.Flags().BoolVar(&o.Decode, "decode", false, "decode every picture, not only its header")
	return c
}
