package main

import (
	"errors"
	"fmt"

	"clipnb/clipkit/weights"

	"github.com/spf13/cobra"
)

func convertCommand() *cobra.Command {
	var o weights.ConvertOptions
	c := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Write weights in another form and without an optimizer's state",
		Long: "Write weights in another form and without an optimizer's state. The end of OUT chooses: .pt, .safetensors, or a folder for transformers.\n" +
			"Whole Chinese-CLIP models are converted, and OpenAI's CLIP as it is published (a TorchScript archive) to the state dict that training from scratch begins with;\n" +
			"no code in a file is executed.",
		Example: "  " + goRun + " convert --half epoch_latest.pt model.safetensors\n  " + goRun + " convert clip_cn_vit-b-16.pt hf/",
		Args:    takes(2, 2, "a model and where to write it"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := weights.Convert(args[0], args[1], o); errors.Is(err, weights.ErrMismatch) {
				return fmt.Errorf("%w (only whole Chinese-CLIP models are converted, and OpenAI's CLIP)", err)
			} else if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), args[1])
			return nil
		},
	}
	c.Flags().BoolVar(&o.Half, "half", false, "float16, but for what the reference keeps in float32")
	c.Flags().BoolVar(&o.Flash, "flash", false, "the names of the reference's flash attention")
	return c
}
