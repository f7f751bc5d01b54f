package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/live"

	"github.com/spf13/cobra"
)

// extractFlags are those of extract_features.py.
type extractFlags struct {
	images, texts       bool
	imageData, textData string
	imageOut, textOut   string
	skip                skipFlags
	model               modelFlags
	ranks               rankFlags
}

func extractCommand() *cobra.Command {
	var f extractFlags
	c := &cobra.Command{
		Use:   "extract",
		Short: "Write the features of a split as the reference does; continue where it was interrupted",
		Long: "Write the features of a split, FOLDER/<split>_texts.txt_feat.jsonl and <split>_imgs.img_feat.jsonl, as the reference's extract_features.py does.\n" +
			"The whole is kept in FOLDER/<split>-<model's hash>.features.safetensors: an interrupted run continues there, a second one only reads it.\n" +
			"Where all output paths are given it is kept beside them, and nothing is written in FOLDER.\n" +
			"Pictures that could not be read are tried again by the next run, and added.",
		Example: "  " + goRun + " extract --extract-image-feats --extract-text-feats --image-data datasets/MUGE/lmdb/valid/imgs --text-data datasets/MUGE/valid_texts.jsonl \\\n" +
			"      --context-length 52 --resume clip_cn_vit-b-16.pt --vision-model ViT-B-16 --text-model RoBERTa-wwm-ext-base-chinese",
		SuggestFor: []string{"extract_features"},
		Args:       takes(0, 0, "flags only"),
	}
	c.Flags().BoolVar(&f.images, "extract-image-feats", false, "write the features of pictures; without this and the next, both are written")
	c.Flags().BoolVar(&f.texts, "extract-text-feats", false, "write the features of texts")
	c.Flags().StringVar(&f.imageData, "image-data", "", "the imgs `FOLDER` of an LMDB; default lmdb/<split>/imgs beside the texts, else <split>_imgs.tsv there")
	c.Flags().StringVar(&f.textData, "text-data", "", "`FILE` of the split's texts, FOLDER/<split>_texts.jsonl (needed)")
	c.Flags().StringVar(&f.imageOut, "image-feat-output-path", "", "`FILE` instead of <split>_imgs.img_feat.jsonl beside the texts")
	c.Flags().StringVar(&f.textOut, "text-feat-output-path", "", "`FILE` instead of <split>_texts.txt_feat.jsonl beside the texts")
	unused(c, "img-batch-size", 64, "batches are chosen here, and features do not depend on them")
	unused(c, "text-batch-size", 64, "as --img-batch-size")
	f.skip.add(c, "")
	f.model.add(c, "", " (needed)")
	f.ranks.add(c)
	say := debug(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		say()
		return f.ranks.run(c, f.model.device, func(w exchange.World) error { return f.run(c, w) })
	}
	return c
}

// run is the whole command on one rank of w. The first writes the files and says so.
func (f *extractFlags) run(c *cobra.Command, w exchange.World) error {
	base, isTexts := strings.CutSuffix(f.textData, "_texts.jsonl")
	if f.model.resume == "" || !isTexts {
		return wrong("it takes --resume MODEL and --text-data FOLDER/<split>_texts.jsonl")
	}
	if err := f.model.check(); err != nil {
		return err
	}
	if err := f.skip.check(); err != nil {
		return err
	}
	if !f.images && !f.texts {
		f.images, f.texts = true, true
	}
	opened := slow(c.ErrOrStderr(), "opening", base)
	split, err := openSplit(base, f.imageData)
	opened()
	if err := exchange.Agree(w, err); err != nil {
		return err
	}
	defer split.Close()
	f.model.world = w
	m, err := f.model.load(c.Context())
	if err := exchange.Agree(w, err); err != nil {
		return err
	}
	defer m.Close()
	skip := live.Skip(w, f.skip.budget, progress.Say)
	features, err := m.KeptFeatures(c.Context(), w, split, f.kept(base), skip)
	if err == nil && w.Rank() == 0 {
		err = f.write(c, base, features)
		if n := skip.Count(); err == nil && n > 0 {
			progress.Say(fmt.Sprintf("pictures that cannot be read: %d; they have no features there, and scores of image to text need all", n))
		}
	}
	return exchange.Agree(w, err)
}

// kept is what the name of the file begins with that the whole is kept in. The data's folder may be read-only where all outputs lie elsewhere.
func (f *extractFlags) kept(base string) string {
	if f.images && f.imageOut == "" || f.texts && f.textOut == "" {
		return base
	}
	out := f.textOut
	if f.images {
		out = f.imageOut
	}
	for _, ending := range []string{".jsonl", ".img_feat", ".txt_feat", "_imgs", "_texts"} {
		out = strings.TrimSuffix(out, ending)
	}
	return out
}

func (f *extractFlags) write(c *cobra.Command, base string, features *eval.Features) error {
	for _, side := range []struct {
		asked      bool
		path, name string
		way        eval.Way
		ids        []int64
		vectors    []float32
	}{
		{f.texts, cmp.Or(f.textOut, base+"_texts.txt_feat.jsonl"), "text", eval.TextToImage, features.TextIDs, features.Texts},
		{f.images, cmp.Or(f.imageOut, base+"_imgs.img_feat.jsonl"), "image", eval.ImageToText, features.ImageIDs, features.Images},
	} {
		if !side.asked {
			continue
		}
		if err := eval.WriteVectors(side.path, side.way, side.ids, side.vectors); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%d %s features are stored in %s\n", len(side.ids), side.name, side.path)
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
