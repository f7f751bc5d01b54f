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
	if said := cut(split, cfg.ContextLength); said != "" {
		progress.Say(said)
	}
	return bar.Then(pictures, cfg.ImageFLOPs()).Then(texts, cfg.TextFLOPs(plan.MeanTokens(split, cfg.ContextLength))).Compiling()
}

// cut says how many captions are longer than what the model reads; "" where none is.
func cut(split dataset.Source, length int) string {
	n, first, row, texts := 0, int64(0), make([]int32, length), split.Texts()
	for _, t := range texts {
		if tokenizer.Default().Encode(row, tokenizer.Prepare(t.Text)) > 0 {
			if n++; n == 1 {
				first = t.ID
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("longer than the model's %d tokens, so cut: %d of the %d texts of %s; the first has text_id %d", length, n, len(texts), split.Name(), first)
}
