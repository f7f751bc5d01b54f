package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/tokenizer"
	classes "clipnb/clipkit/zeroshot"
)

// zeroshot classifies a set of pictures in classes, with the reference's flags and its last line.
func zeroshot(ctx context.Context, args []string, out io.Writer) error {
	flags := flagsOf("zeroshot")
	folder := flags.String("datapath", "", "")
	resume, device := flags.String("resume", "emoji", ""), flags.String("device", "", "")
	vision, text := flags.String("vision-model", "", ""), flags.String("text-model", "", "")
	precision, length := flags.String("precision", "amp", ""), flags.Int("context-length", tokenizer.DefaultLength, "")
	labelFile := flags.String("label-file", "", "")
	dataset := flags.String("dataset", "imagenet", "")
	templateFile, templateSet := flags.String("templates", "", ""), flags.String("template-set", "", "")
	index, saveDir := flags.String("index", "", ""), flags.String("save-dir", "", "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("zeroshot: %w; %w", err, errUsage)
	}
	if flags.NArg() == 1 && *folder == "" {
		*folder = flags.Arg(0)
	} else if flags.NArg() > 0 || *folder == "" {
		return fmt.Errorf("zeroshot takes one folder of pictures in classes, or \"emoji\"; %w", errUsage)
	}
	options, err := loadOptions(*device, *precision, *vision, *text)
	if err != nil {
		return fmt.Errorf("zeroshot: %w", err)
	}
	if *index != "" && *saveDir == "" {
		return fmt.Errorf("zeroshot: -index orders the file of -save-dir, which is not given; %w", errUsage)
	}
	if *templateSet != "" && *templateFile == "" {
		return fmt.Errorf("zeroshot: -template-set names a set in the file of -templates, which is not given; %w", errUsage)
	}

	set, err := clipkit.OpenLabelled(ctx, *folder)
	if err != nil {
		return err
	}
	defer set.Close()
	var o clipkit.ZeroShotOptions
	if *labelFile != "" {
		if o.Labels, err = classes.ReadLabels(*labelFile); err != nil {
			return err
		}
	}
	if *templateFile != "" {
		if o.Templates, err = classes.ReadTemplates(*templateFile, *templateSet, *dataset); err != nil {
			return err
		}
	}
	var order []int
	if *index != "" {
		if order, err = classes.ReadOrder(*index); err != nil {
			return err
		}
	}
	m, err := clipkit.Load(ctx, *resume, options...)
	if err != nil {
		return err
	}
	defer m.Close()
	m.Config.ContextLength = *length
	if *saveDir != "" {
		if err := os.MkdirAll(*saveDir, 0o755); err != nil {
			return fmt.Errorf("zeroshot: %w", err)
		}
		o.Predictions = classes.NewPredictions(*dataset, m.Config)
	}
	z, err := clipkit.EvaluateZeroShot(ctx, m, set, o)
	if err != nil {
		return err
	}
	if *saveDir != "" {
		file := filepath.Join(*saveDir, *dataset+".json")
		if err := o.Predictions.Save(file, order); err != nil {
			return err
		}
		fmt.Fprintln(out, file)
	}
	fmt.Fprint(out, z)
	fmt.Fprintln(out, z.ReferenceLine())
	return nil
}

// loadOptions turns the reference's flags into those of clipkit.Load. The towers are a model's name, as in the reference's commands
// ("ViT-B-16"; the text tower follows from it), or their two configuration files.
func loadOptions(device, precision, vision, text string) ([]clipkit.Option, error) {
	if precisions[precision] == "" {
		return nil, fmt.Errorf("-precision is amp, fp32 or fp16, not %q; %w", precision, errUsage)
	}
	options := []clipkit.Option{clipkit.On(device), clipkit.In(precisions[precision])}
	_, err := arch.Lookup(vision)
	switch {
	case vision == "" && text == "":
	case err == nil:
		options = append(options, clipkit.As(vision))
	case vision == "" || text == "":
		return nil, fmt.Errorf("-vision-model is a model's name (%s), or goes together with -text-model, each a configuration file; %w", strings.Join(arch.Names(), ", "), errUsage)
	default:
		options = append(options, clipkit.As(vision, text))
	}
	return options, nil
}
