package live

import (
	"fmt"
	"os"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/train/plan"
)

// Bar counts the samples of all ranks, on rank 0; elsewhere it is nil, which says nothing.
func Bar(w exchange.World, what string, total int) *progress.Line {
	if w.Rank() != 0 {
		return nil
	}
	return progress.New(os.Stderr, what, total)
}

// Encoding counts the pictures of a split and then its texts, which a model of this architecture encodes in a part of the time.
// Captions that are too long for the model are counted before.
func Encoding(w exchange.World, cfg arch.Config, what string, split dataset.Source) *progress.Line {
	pictures, texts := len(split.ImageIDs()), len(split.Texts())
	bar := Bar(w, what+" "+split.Name(), pictures+texts)
	if bar == nil {
		return nil
	}
	sayCut(split, cfg.ContextLength)
	return bar.Then(pictures, cfg.ImageFLOPs()).Then(texts, cfg.TextFLOPs(plan.MeanTokens(split, cfg.ContextLength)))
}

// sayCut tells how many captions are longer than what the model reads.
func sayCut(split dataset.Source, length int) {
	cut, first, row, texts := 0, "", make([]int32, length), split.Texts()
	for _, t := range texts {
		if tokenizer.Default().Encode(row, tokenizer.Prepare(t.Text)) > 0 {
			if cut++; cut == 1 {
				first = fmt.Sprintf("text_id %d", t.ID)
			}
		}
	}
	if cut > 0 {
		fmt.Fprintf(os.Stderr, "%d of the %d texts of %s are longer than the model's %d tokens and are cut (the first is %s)\n", cut, len(texts), split.Name(), length, first)
	}
}
