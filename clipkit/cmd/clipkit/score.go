package main

import (
	"fmt"
	"strings"

	"clipnb/clipkit/eval"

	"github.com/spf13/cobra"
)

func scoreCommand() *cobra.Command {
	var tr bool
	c := &cobra.Command{
		Use:   "score TRUTH PREDICTIONS OUT",
		Short: "Write the recall of predictions, in the reference's JSON",
		Long: "Write the recall of predictions, in the JSON of the reference's evaluation.py, or with --tr of evaluation_tr.py, whose truth is what invert writes.\n" +
			"A file of predictions that it refuses is an error here, which it is not there.",
		Example:    "  " + goRun + " score valid_texts.jsonl valid_predictions.jsonl output.json\n  " + goRun + " score --tr valid_texts.tr.jsonl valid_tr_predictions.jsonl output.json",
		SuggestFor: []string{"evaluation", "evaluation_tr"},
		Args:       takes(3, 3, "the truth, the predictions and where the result goes"),
		RunE: func(c *cobra.Command, args []string) error {
			recall, refused := eval.Score(args[0], args[1], wayOf(tr))
			if err := eval.WriteScore(args[2], recall, refused); err != nil {
				return err
			}
			if refused != nil {
				return refused
			}
			fmt.Fprintf(c.OutOrStdout(), "R@1 %.2f  R@5 %.2f  R@10 %.2f  mean %.2f\n", recall.R1, recall.R5, recall.R10, recall.Mean)
			if recall.R10 == 0 {
				fmt.Fprintln(c.OutOrStdout(), "nothing was found: are the answers in the truth hidden (empty lists), or the ids of another split?")
			}
			return nil
		},
	}
	trFlag(c, &tr)
	return c
}

func invertCommand() *cobra.Command {
	var input string
	c := &cobra.Command{
		Use:        "invert",
		Short:      "Write the truth of image to text, the texts of each picture, beside that of text to image",
		Long:       "Write the truth of image to text, <split>_texts.tr.jsonl, beside that of text to image, as the reference's transform_ir_annotation_to_tr.py does.",
		Example:    "  " + goRun + " invert --input datasets/MUGE/valid_texts.jsonl",
		SuggestFor: []string{"transform_ir_annotation_to_tr"},
		Args:       takes(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			if input == "" {
				return wrong("it takes --input FOLDER/<split>_texts.jsonl")
			}
			truth, err := eval.ReadTruth(input, eval.TextToImage)
			if err != nil {
				return err
			}
			path := strings.ReplaceAll(input, ".jsonl", "") + ".tr.jsonl"
			if err := eval.WriteRetrieved(path, eval.ImageToText, eval.Invert(truth)); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), path)
			return nil
		},
	}
	c.Flags().StringVar(&input, "input", "", "`FILE` of the texts, FOLDER/<split>_texts.jsonl (needed)")
	return c
}
