// Package deployment has the commands that make models ready for use elsewhere: clipkit export and clipkit bench. They take the program's name for their help.
package deployment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/onnx"

	"github.com/spf13/cobra"
)

// ErrUsage is wrapped when an argument or flag means nothing.
var ErrUsage = errors.New("wrong arguments")

func wrong(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrUsage, fmt.Errorf(format, a...))
}

// complete offers the values of a flag to the shell.
func complete(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveDefault)); err != nil {
		panic(err) // no such flag: a mistake in this package
	}
}

// Export is "clipkit export".
func Export(program string) *cobra.Command {
	var o deploy.Options
	var precisions, side, data, split, device string
	c := &cobra.Command{
		Use:   "export MODEL [OUT]",
		Short: "Write a model as ONNX files, checked against it; or a run as the .pt with which the reference's training goes on",
		Long: "MODEL is a run, a published model's name, a file of weights, \"emoji\". The end of OUT chooses:\n" +
			"  FOLDER         both towers as ONNX files for any runtime and batch, with deploy.json, vocab.txt and PARITY.md, which compares every precision with the model:\n" +
			"                 features and recall on --data. Every command that takes a model takes the folder, too\n" +
			"  x.pt           of a run: its newest checkpoint with AdamW's moments, epoch and step, with which the reference's training goes on (--resume); of a model: weights\n" +
			"  x.safetensors  weights alone\n" +
			"Of a run OUT may be left out: experiments/RUN/checkpoints/epoch_latest.pt, as the reference calls it; one that is there is replaced when the new one is whole.",
		Example: "  " + program + " export ViT-B-16 deploy/\n  " + program + " export --precision fp16 --side img --data MUGE mine deploy/\n  " + program + " export mine",
	}
	c.Flags().StringVar(&precisions, "precision", "", fmt.Sprintf("`LIST` of precisions, with commas; default all: %v", deploy.Precisions))
	c.Flags().IntVar(&o.Opset, "opset", onnx.DefaultOpset, "the `VERSION` of ONNX's operators")
	c.Flags().BoolVar(&o.Normalize, "normalize", false, "unit vectors come out; default raw ones, as from the reference's files")
	c.Flags().StringVar(&side, "side", "both", "`TOWER`: img, txt or both")
	c.Flags().BoolVar(&o.Beside, "beside", false, "weights in a file beside each ONNX file, not inside")
	c.Flags().BoolVar(&o.ReduceRange, "reduce-range", false, "int8 with weights of 7 bits, for processors without VNNI, whose 8-bit products saturate")
	c.Flags().StringVar(&data, "data", "emoji", "the `DATASET` with which files and model are compared")
	c.Flags().StringVar(&split, "split", "", "its split; default the one that is evaluated")
	c.Flags().StringVar(&device, "device", "", "`DEVICE` of the model: cpu, npu:1, cuda …; the files run on the processor")
	complete(c, "side", "img", "txt", "both")
	c.RunE = func(c *cobra.Command, args []string) error {
		out := append(args, "")[1]
		ext := filepath.Ext(filepath.Clean(out))
		isWeights := out == "" || ext == ".pt" || ext == ".safetensors"
		if info, err := os.Stat(out); isWeights && err == nil && info.IsDir() || !isWeights && (ext == ".onnx" || !deploy.IsNew(out)) {
			return wrong("%s: want the path of a .pt file or a .safetensors file, or of a folder that is new, empty or an earlier export", out)
		}
		if isWeights {
			if c.Flags().NFlag() > 0 && !c.Flags().Changed("device") {
				return wrong("the flags are for ONNX files: OUT is then a folder, such as deploy/")
			}
			return exportWeights(c, args[0], out, device)
		}
		if err := o.Parse(precisions, side); err != nil {
			return wrong("%w", err)
		}
		d, err := clipkit.OpenDataset(c.Context(), data)
		if err != nil {
			return err
		}
		defer d.Close()
		s, err := reported(d, split)
		if err != nil {
			return err
		}
		m, err := clipkit.Load(c.Context(), args[0], clipkit.On(device))
		if err != nil {
			return err
		}
		defer m.Close()
		o.Close = true
		t, err := m.Export(c.Context(), out, s, o)
		if err == nil {
			fmt.Fprint(c.OutOrStdout(), t.Markdown())
		}
		return err
	}
	return c
}

// exportWeights writes a run's checkpoint or a model's weights; out "" is a run's own place for it.
func exportWeights(c *cobra.Command, name, out, device string) error {
	run, err := clipkit.OpenRun(name)
	if err == nil && out == "" {
		out = filepath.Join(run.Dir, "checkpoints", "epoch_latest.pt")
	}
	switch {
	case err == nil && filepath.Ext(out) == ".pt":
		err = run.Export(out)
	case out != "":
		var m *clipkit.Model
		if m, err = clipkit.Load(c.Context(), name, clipkit.On(device)); err == nil {
			defer m.Close()
			err = m.Save(out, false)
		}
	}
	if err == nil {
		fmt.Fprintln(c.OutOrStdout(), out)
	}
	return err
}

// reported is a split by name, or unless it is named the one that figures are of.
func reported(d *dataset.Dataset, name string) (dataset.Source, error) {
	if s := d.ReportSplit(); s != nil && name == "" {
		return s, nil
	} else if name == "" {
		name = "train"
	}
	return d.Split(name)
}
