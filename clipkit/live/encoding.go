package live

import (
	"os"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/progress"
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
func Encoding(w exchange.World, cfg arch.Config, what string, split dataset.Source) *progress.Line {
	pictures, texts := len(split.ImageIDs()), len(split.Texts())
	bar := Bar(w, what+" "+split.Name(), pictures+texts)
	if bar == nil {
		return nil
	}
	return bar.Then(pictures, cfg.ImageFLOPs()).Then(texts, cfg.TextFLOPs(plan.MeanTokens(split, cfg.ContextLength)))
}
