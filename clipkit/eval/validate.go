package eval

import (
	"context"
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
)

// Validation is how the reference would validate. Its ranks are part of what is computed, whatever ranks compute it.
type Validation struct {
	ContextLength int
	BatchSize     int // pairs in a batch, of each of the reference's ranks
	Ranks         int // of the reference; 0 is one
	Seed          uint64
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
// The ranks of w, which have the same weights, share the encoding; the figures are rank 0's, and the same on all.
func Validate(ctx context.Context, w exchange.World, m *model.Model, split dataset.Source, v Validation) (experiment.Row, error) {
	f, err := Extract(ctx, w, m, split, v.ContextLength, nil)
	if err != nil {
		return experiment.Row{}, err
	}
	row := experiment.Row{TextToImage: &experiment.Recall{}, ImageToText: &experiment.Recall{}}
	if w.Rank() == 0 {
		err = v.measure(&row, m, f, split)
	}
	if err := deal.Agree(w, err); err != nil {
		return experiment.Row{}, err
	}
	return row, shareFigures(w, &row)
}

func (v Validation) measure(row *experiment.Row, m *model.Model, f *Features, split dataset.Source) error {
	rep, err := Retrieval(f, split.Texts())
	if err != nil {
		return err
	}
	*row.TextToImage, *row.ImageToText = rep.TextToImage, rep.ImageToText
	scale, err := m.LogitScale()
	if err != nil {
		return err
	}
	pairs := dataset.Pairs(split)
	order := v.order(len(pairs))
	row.Loss, row.ImageToTextAcc, row.TextToImageAcc, err = InBatch(f, pairs, order, v.BatchSize, scale)
	return err
}

// shareFigures makes the figures everywhere what they are on rank 0, to the bit: what a trainer decides by them is decided on all ranks alike.
func shareFigures(w exchange.World, row *experiment.Row) error {
	figures := []*float64{&row.Loss, &row.ImageToTextAcc, &row.TextToImageAcc}
	for _, r := range []*experiment.Recall{row.TextToImage, row.ImageToText} {
		figures = append(figures, &r.R1, &r.R5, &r.R10, &r.Mean)
	}
	values := make([]float64, len(figures))
	for i, f := range figures {
		values[i] = *f
	}
	if err := exchange.Share(w, values, 0); err != nil {
		return fmt.Errorf("validating: %w", err)
	}
	for i, f := range figures {
		*f = values[i]
	}
	return nil
}
