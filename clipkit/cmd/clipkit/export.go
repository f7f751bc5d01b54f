package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit"

	"github.com/spf13/cobra"
)

func exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export RUN [OUT]",
		Short: "Write a run's newest checkpoint as the .pt with which the reference's training goes on",
		Long: "Write a run's newest checkpoint as a .pt with weights, AdamW's moments, epoch and step, with which the reference's training goes on (--resume).\n" +
			"OUT is experiments/RUN/checkpoints/epoch_latest.pt unless it is given, as the reference calls it; one that is there is replaced when the new one is whole.\n" +
			"For weights alone: " + goRun + " convert.",
		Example: "  " + goRun + " export mine\n  " + goRun + " export mine epoch_latest.pt",
		Args:    takes(1, 2, "a run's name or folder, and where to write it"),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := clipkit.OpenRun(args[0])
			if err != nil {
				return err
			}
			out := filepath.Join(run.Dir, "checkpoints", "epoch_latest.pt")
			if len(args) == 2 {
				out = args[1]
			}
			if info, err := os.Stat(out); err == nil && info.IsDir() || !strings.HasSuffix(out, ".pt") {
				return wrong("%s: want the path of a .pt file", out)
			}
			if err := run.Export(out); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), out)
			return nil
		},
	}
}
