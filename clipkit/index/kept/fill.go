package kept

import (
	"context"
	"sync"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/index"
	"clipnb/clipkit/model"
)

// Fill adds to an index what it lacks of a split: from stored features, which are in the split's order, else the model encodes. stored gives nil where there
// are none; a complete index asks neither. Pictures that cannot be read are told to skip, and are not in the index. progress receives pictures and texts
// that are in.
func Fill(ctx context.Context, dst index.Pair, m *model.Model, split dataset.Source, stored func() (*eval.Features, error), skip *dataset.Skipped, progress func(done, total int)) error {
	ids, texts := split.ImageIDs(), split.Texts()
	stored = sync.OnceValues(stored)
	images := func(ctx context.Context, rows []int) ([]float32, error) {
		f, err := stored()
		if err != nil {
			return nil, err
		}
		some := chosen(ids, rows)
		if f == nil {
			return eval.EncodePictures(ctx, exchange.Alone, m, split, some, skip)
		}
		vectors, without := f.ImagesOf(some)
		if len(without) == 0 {
			return vectors, nil
		}
		more, err := eval.EncodePictures(ctx, exchange.Alone, m, split, chosen(some, without), skip) // they may have been repaired
		if err != nil {
			return nil, err
		}
		for k, row := range without {
			copy(vectors[row*f.Dim:(row+1)*f.Dim], more[k*f.Dim:])
		}
		return vectors, nil
	}
	captions := func(ctx context.Context, rows []int) ([]float32, error) {
		f, err := stored()
		switch {
		case err != nil:
			return nil, err
		case f != nil:
			return index.Rows(f.Texts, f.Dim, rows), nil
		}
		return eval.EncodeCaptions(ctx, exchange.Alone, m, chosen(texts, rows), m.Config.ContextLength)
	}
	if err := index.Build(ctx, dst.Images, Items(ids, split.Name()), images, progress); err != nil || dst.Texts == nil {
		return err
	}
	textIDs := make([]int64, len(texts))
	for i, t := range texts {
		textIDs[i] = t.ID
	}
	return index.Build(ctx, dst.Texts, Items(textIDs, split.Name()), captions, func(done, _ int) { progress(len(ids)+done, len(ids)+len(texts)) })
}

// chosen takes rows out of all.
func chosen[T any](all []T, rows []int) []T {
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = all[i]
	}
	return out
}
