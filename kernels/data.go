package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"clipnb/clipkit/dataset"
	datacheck "clipnb/clipkit/dataset/check"
)

// check says before training what will hurt it.
func check(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	batch, decode := flags.Int("batch", 128, ""), flags.Bool("decode", false, "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("check: %w; %w", err, errUsage)
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("check takes one data set; %w", errUsage)
	}
	data, err := dataset.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	report, err := datacheck.Dataset(ctx, data, datacheck.Options{BatchSize: *batch, Decode: *decode})
	if err != nil {
		return err
	}
	fmt.Fprint(out, report)
	return nil
}

// lmdb builds the reference's LMDB files out of a folder of tsv and jsonl files.
func lmdb(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 1 || len(args) > 2 {
		return fmt.Errorf("lmdb takes a folder and, if not all, its splits (train,valid); %w", errUsage)
	}
	var splits []string
	if len(args) == 2 {
		splits = strings.Split(args[1], ",")
	}
	sizes, err := dataset.BuildLMDB(ctx, args[0], splits, "", dataset.LMDBOptions{})
	for _, s := range sizes {
		fmt.Fprintf(out, "%s: %d images, %d pairs\n", s.Split, s.Images, s.Pairs)
	}
	return err
}
