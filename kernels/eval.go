package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/tokenizer"
)

// flagsOf are the flags of a command; their descriptions stand in usage.
func flagsOf(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// precisions translates the reference's words; amp and fp32 are the same there too (SPEC §6.1).
var precisions = map[string]string{"amp": "f32", "fp32": "f32", "fp16": "f16"}

// extract writes the features of one split as the reference's extract_features.py does.
func extract(ctx context.Context, args []string, out io.Writer) error {
	flags := flagsOf("extract")
	images, texts := flags.Bool("extract-image-feats", false, ""), flags.Bool("extract-text-feats", false, "")
	imageData, textData := flags.String("image-data", "", ""), flags.String("text-data", "", "")
	imageOut, textOut := flags.String("image-feat-output-path", "", ""), flags.String("text-feat-output-path", "", "")
	resume, device := flags.String("resume", "", ""), flags.String("device", "", "")
	vision, text := flags.String("vision-model", "", ""), flags.String("text-model", "", "")
	precision, length := flags.String("precision", "amp", ""), flags.Int("context-length", tokenizer.DefaultLength, "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("extract: %w; %w", err, errUsage)
	}
	base, isTexts := strings.CutSuffix(*textData, "_texts.jsonl")
	switch {
	case flags.NArg() > 0 || *resume == "" || !isTexts:
		return fmt.Errorf("extract takes -resume MODEL and -text-data FOLDER/<split>_texts.jsonl; %w", errUsage)
	case (*vision == "") != (*text == ""):
		return fmt.Errorf("extract: -vision-model and -text-model go together, each a configuration file; %w", errUsage)
	case precisions[*precision] == "":
		return fmt.Errorf("extract: -precision is amp, fp32 or fp16, not %q; %w", *precision, errUsage)
	case !*images && !*texts:
		*images, *texts = true, true
	}
	split, err := openSplit(base, *imageData)
	if err != nil {
		return err
	}
	defer split.Close()
	options := []clipkit.Option{clipkit.On(*device), clipkit.In(precisions[*precision])}
	if *vision != "" {
		options = append(options, clipkit.As(*vision, *text))
	}
	m, err := clipkit.Load(ctx, *resume, options...)
	if err != nil {
		return err
	}
	defer m.Close()
	m.Config.ContextLength = *length
	f, err := clipkit.KeptFeatures(ctx, m, split, base)
	if err != nil {
		return err
	}
	for _, side := range []struct {
		asked      bool
		path, name string
		way        eval.Way
		ids        []int64
		vectors    []float32
	}{
		{*texts, orElse(*textOut, base+"_texts.txt_feat.jsonl"), "text", eval.TextToImage, f.TextIDs, f.Texts},
		{*images, orElse(*imageOut, base+"_imgs.img_feat.jsonl"), "image", eval.ImageToText, f.ImageIDs, f.Images},
	} {
		if !side.asked {
			continue
		}
		if err := eval.WriteVectors(side.path, side.way, side.ids, side.vectors); err != nil {
			return err
		}
		fmt.Fprintf(out, "%d %s features are stored in %s\n", len(side.ids), side.name, side.path)
	}
	return nil
}

// openSplit opens FOLDER/<split> from the LMDB that imageData names (its imgs folder), else from lmdb/<split> or the tsv beside the texts.
func openSplit(base, imageData string) (dataset.Source, error) {
	name, texts := filepath.Base(filepath.Dir(base))+"/"+filepath.Base(base), base+"_texts.jsonl"
	lmdb := filepath.Join(filepath.Dir(base), "lmdb", filepath.Base(base))
	if imageData != "" {
		lmdb = filepath.Dir(filepath.Clean(imageData))
	} else if _, err := os.Stat(lmdb); err != nil {
		return dataset.OpenTSV(name, base+"_imgs.tsv", texts)
	}
	return dataset.OpenLMDB(name, lmdb, texts)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// topk writes predictions as make_topk_predictions.py does, or make_topk_predictions_tr.py.
func topk(ctx context.Context, args []string, out io.Writer) error {
	flags := flagsOf("topk")
	imagePath, textPath := flags.String("image-feats", "", ""), flags.String("text-feats", "", "")
	k, output, tr := flags.Int("top-k", 10, ""), flags.String("output", "", ""), flags.Bool("tr", false, "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("topk: %w; %w", err, errUsage)
	}
	if flags.NArg() > 0 || *imagePath == "" || *textPath == "" || *output == "" || *k < 1 {
		return fmt.Errorf("topk takes -image-feats, -text-feats and -output; %w", errUsage)
	}
	f := &eval.Features{}
	var err error
	var dim int
	if f.ImageIDs, f.Images, f.Dim, err = readVectors(*imagePath, eval.ImageToText); err != nil {
		return err
	}
	if f.TextIDs, f.Texts, dim, err = readVectors(*textPath, eval.TextToImage); err != nil {
		return err
	}
	if dim != f.Dim {
		return fmt.Errorf("topk: %s has %d values for each picture, %s has %d for each text: two different models", *imagePath, f.Dim, *textPath, dim)
	}
	way := wayOf(*tr)
	tenths := 0
	list, err := eval.TopK(ctx, f, way, *k, func(done, total int) {
		if now := done * 10 / total; now != tenths {
			tenths = now
			fmt.Fprintf(out, "%d of %d queries\n", done, total)
		}
	})
	if err != nil {
		return err
	}
	if err := eval.WriteRetrieved(*output, way, list); err != nil {
		return err
	}
	fmt.Fprintf(out, "Top-%d predictions are saved in %s\n", *k, *output)
	return nil
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

// score writes what evaluation.py writes, or evaluation_tr.py. A file of predictions that it refuses is an error, which theirs is not.
func score(args []string, out io.Writer) error {
	flags := flagsOf("score")
	tr := flags.Bool("tr", false, "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("score: %w; %w", err, errUsage)
	}
	if flags.NArg() != 3 {
		return fmt.Errorf("score takes the truth, the predictions and where the result goes; %w", errUsage)
	}
	recall, refused := eval.Score(flags.Arg(0), flags.Arg(1), wayOf(*tr))
	if err := eval.WriteScore(flags.Arg(2), recall, refused); err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	fmt.Fprintf(out, "R@1 %.2f  R@5 %.2f  R@10 %.2f  mean %.2f\n", recall.R1, recall.R5, recall.R10, recall.Mean)
	if recall.R10 == 0 {
		fmt.Fprintln(out, "nothing was found: are the answers in the truth hidden (empty lists), or the ids of another split?")
	}
	return nil
}

// invert writes the truth of image→text beside that of text→image, as transform_ir_annotation_to_tr.py does.
func invert(args []string, out io.Writer) error {
	flags := flagsOf("invert")
	input := flags.String("input", "", "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("invert: %w; %w", err, errUsage)
	}
	if flags.NArg() > 0 || *input == "" {
		return fmt.Errorf("invert takes -input FOLDER/<split>_texts.jsonl; %w", errUsage)
	}
	truth, err := eval.ReadTruth(*input, eval.TextToImage)
	if err != nil {
		return err
	}
	path := strings.ReplaceAll(*input, ".jsonl", "") + ".tr.jsonl"
	if err := eval.WriteRetrieved(path, eval.ImageToText, eval.Invert(truth)); err != nil {
		return err
	}
	fmt.Fprintln(out, path)
	return nil
}
