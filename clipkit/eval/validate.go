package eval

import (
	"context"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
)

// Validation is how the reference would validate. Its ranks are part of what is computed, whatever ranks compute it.
type Validation struct {
	ContextLength int
	BatchSize     int // pairs in a batch, of each of the reference's ranks
	Ranks         int // of the reference; 0 is one
	Seed          uint64

	Skip     *dataset.Skipped      // takes pictures that cannot be read, over all validations of a run; nil: they are an error
	Progress func(done, total int) // of encoding; nil: nobody is told
}

// order is the pairs of all batches, one rank's after the other's. Every rank has the same number of them, because the reference repeats pairs from the
// beginning until there are enough (cn_clip/training/data.py:118).
func (v Validation) order(pairs int) (order []int) {
	ranks := max(v.Ranks, 1)
	for rank := range ranks {
		order = append(order, dataset.Order(v.Seed, 0, pairs, v.BatchSize, ranks, rank)...)
	}
	return order
}

// Validate measures a split as a trainer records it: the reference's in-batch figures, and true recall. The loss and the hits of all batches of all of
// the reference's ranks are summed and divided by their pairs, which must be as many as there are (cn_clip/training/train.py:387 to 395).
//
// The ranks of w, which have the same weights, share the encoding. The figures are rank 0's, and the row of the others is empty: what is decided by
// figures of each rank's own, which may differ in a last bit between hosts, would not be decided alike.
func Validate(ctx context.Context, w exchange.World, m *model.Model, split dataset.Source, v Validation) (row experiment.Row, err error) {
	f, err := Extract(ctx, w, m, split, v.ContextLength, v.Skip, v.Progress)
	if err != nil {
		return row, err
	}
	if w.Rank() == 0 {
		row, err = v.measure(m, f, split)
	}
	return row, exchange.Agree(w, err)
}

func (v Validation) measure(m *model.Model, f *Features, split dataset.Source) (row experiment.Row, err error) {
	rep, err := Retrieval(f, split.Texts())
	if err != nil {
		return row, err
	}
	row.TextToImage, row.ImageToText = &rep.TextToImage, &rep.ImageToText
	scale, err := m.LogitScale()
	if err != nil {
		return row, err
	}
	row.LeftOut = len(split.ImageIDs()) - len(f.ImageIDs)
	pairs := f.pairsOf(split)
	row.Loss, row.ImageToTextAcc, row.TextToImageAcc, err = InBatch(f, pairs, v.order(len(pairs)), v.BatchSize, scale)
	return row, err
}
