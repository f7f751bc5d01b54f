package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/hub"
)

// fetch downloads a published model's weights, or says where they lie already.
func fetch(ctx context.Context, root string, args []string, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("fetch takes the name of one model, one of %v; %w", hub.Published(), errUsage)
	}
	said := int64(-1)
	path, err := hub.Locate(ctx, args[0], hub.Options{
		Folder: filepath.Join(root, "pretrained_weights"),
		Progress: func(done, total int64) {
			if now := done >> 26; now != said { // a line every 64 MB reads well in a log
				said = now
				fmt.Fprintf(out, "%s: %d of %d MB\n", args[0], done>>20, max(total, 0)>>20)
			}
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, path)
	return nil
}

// convert writes weights in another form, without an optimizer's state.
func convert(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("convert", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	half, flash := flags.Bool("half", false, ""), flags.Bool("flash", false, "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("convert: %w; %w", err, errUsage)
	}
	if flags.NArg() != 2 {
		return fmt.Errorf("convert takes a model and where to write it; %w", errUsage)
	}
	from, to := flags.Arg(0), flags.Arg(1)
	if err := weights.Convert(from, to, weights.ConvertOptions{Half: *half, Flash: *flash}); err != nil {
		if errors.Is(err, weights.ErrMismatch) {
			return fmt.Errorf("%w\n(only whole Chinese-CLIP models are converted)", err)
		}
		return err
	}
	fmt.Fprintln(out, to)
	return nil
}
