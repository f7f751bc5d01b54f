package main

import (
	"fmt"
	"strings"

	"clipnb/clipkit/eval"
	"clipnb/clipkit/internal/progress"

	"github.com/spf13/cobra"
)

func topkCommand() *cobra.Command {
	var images, texts, output string
	var k int
	var tr bool
	c := &cobra.Command{
		Use:   "topk",
		Short: "Find the nearest pictures of every text, or with --tr the nearest texts of every picture",
		Long: "Find the nearest pictures of every text, as the reference's make_topk_predictions.py does, or with --tr the nearest texts of every picture,\n" +
			"as make_topk_predictions_tr.py does. Features are what extract wrote, .jsonl or .safetensors, or the reference.",
		Example:    "  " + goRun + " topk --image-feats valid_imgs.img_feat.jsonl --text-feats valid_texts.txt_feat.jsonl --top-k 10 --output valid_predictions.jsonl",
		SuggestFor: []string{"make_topk_predictions", "make_topk_predictions_tr"},
		Args:       takes(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			if images == "" || texts == "" || output == "" || k < 1 {
				return wrong("it takes --image-feats, --text-feats and --output, and a --top-k of 1 or more")
			}
			f := &eval.Features{}
			var err error
			var dim int
			if f.ImageIDs, f.Images, f.Dim, err = readVectors(images, eval.ImageToText); err != nil {
				return err
			}
			if f.TextIDs, f.Texts, dim, err = readVectors(texts, eval.TextToImage); err != nil {
				return err
			}
			if dim != f.Dim {
				return fmt.Errorf("topk: %s has %d values for each picture, %s has %d for each text: two different models", images, f.Dim, texts, dim)
			}
			bar := progress.New(c.ErrOrStderr(), "queries", 0)
			list, err := eval.TopK(c.Context(), f, wayOf(tr), k, bar.Of)
			bar.Finish()
			if err != nil {
				return err
			}
			if err := eval.WriteRetrieved(output, wayOf(tr), list); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Top-%d predictions are saved in %s\n", k, output)
			return nil
		},
	}
	c.Flags().StringVar(&images, "image-feats", "", "`FILE` of the pictures' features")
	c.Flags().StringVar(&texts, "text-feats", "", "`FILE` of the texts' features")
	c.Flags().IntVar(&k, "top-k", 10, "how many answers each query gets; score wants 10")
	c.Flags().StringVar(&output, "output", "", "`FILE` of predictions to write")
	trFlag(c, &tr)
	unused(c, "eval-batch-size", 32768, "the answers do not depend on it")
	return c
}

// trFlag stands for the reference's second script, whose name ends in _tr.
func trFlag(c *cobra.Command, tr *bool) {
	c.Flags().BoolVar(tr, "tr", false, "picture to text, as the reference's script of that ending")
}

func wayOf(tr bool) eval.Way {
	if tr {
		return eval.ImageToText
	}
	return eval.TextToImage
}

// readVectors reads one side of a file of features, the reference's or ours.
func readVectors(path string, w eval.Way) (ids []int64, vectors []float32, dim int, err error) {
	if strings.HasSuffix(path, ".safetensors") {
		f, _, err := eval.LoadFeatures(path)
		switch {
		case err != nil:
			return nil, nil, 0, err
		case w == eval.ImageToText:
			return f.ImageIDs, f.Images, f.Dim, nil
		}
		return f.TextIDs, f.Texts, f.Dim, nil
	}
	return eval.ReadVectors(path, w)
}
