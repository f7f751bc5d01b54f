package eval

import (
	"context"
	"fmt"
	"slices"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/transient"
)

// While features are made, the row of a picture that cannot be read is absent (deal.SetAbsent). It travels like any other, so all ranks know of it, and
// stands in the file of an extraction in progress. Features that are given away or kept have no such rows, and not those pictures' ids.

// levels prepares a picture for the model.
func (e extraction) levels(ctx context.Context, id int64) ([]uint8, error) {
	encoded, err := transient.Read(ctx, func() ([]byte, error) { return e.source.Image(id) })
	if err != nil {
		return nil, err
	}
	return imaging.TransformLevels(ctx, encoded, e.model.Config.ImageResolution)
}

// noting tells skip of the absent rows before add gets them. The vectors are of ids, in their order.
func (e extraction) noting(ctx context.Context, ids []int64, add func([]float32) error) func([]float32) error {
	at, dim := 0, e.model.Config.EmbedDim
	return func(v []float32) error {
		for row := range slices.Chunk(v, dim) {
			if deal.Absent(row) {
				why := imaging.Why(ctx, func() error { _, err := e.levels(ctx, ids[at]); return err })
				if err := e.skip.Add(dataset.Label(e.source, ids[at]), why); err != nil {
					return err
				}
			}
			at++
		}
		return add(v)
	}
}

// retry encodes what could not be read when the vectors of f were made, as people repair their pictures. It tells whether there is more now.
func (e extraction) retry(ctx context.Context, f *Features) (more bool, err error) {
	var ids []int64
	var rows [][]float32
	for i, row := range slices.Collect(slices.Chunk(f.Images, f.Dim)) {
		if deal.Absent(row) {
			ids, rows = append(ids, f.ImageIDs[i]), append(rows, row)
		}
	}
	at := 0
	err = e.encodeImages(ctx, ids, e.noting(ctx, ids, func(v []float32) error {
		for row := range slices.Chunk(v, f.Dim) {
			copy(rows[at], row)
			more = more || !deal.Absent(row)
			at++
		}
		return nil
	}))
	if err != nil {
		return false, fmt.Errorf("evaluating %s: %w", e.source.Name(), err)
	}
	return more, nil
}

// compact takes out the absent rows.
func (f *Features) compact(split string) error {
	ids, vectors := make([]int64, 0, len(f.ImageIDs)), f.Images[:0]
	var leftOut map[int64]bool
	for i, row := range slices.Collect(slices.Chunk(f.Images, f.Dim)) {
		if deal.Absent(row) {
			if leftOut == nil {
				leftOut = map[int64]bool{}
			}
			leftOut[f.ImageIDs[i]] = true
		} else {
			ids, vectors = append(ids, f.ImageIDs[i]), append(vectors, row...)
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("%w: none of the %d pictures of %s can be read", ErrEmpty, len(f.ImageIDs), split)
	}
	f.ImageIDs, f.Images, f.leftOut = ids, vectors, leftOut
	return nil
}

// ImagesOf gives the vectors of some pictures, [len(ids), Dim], and the rows of those that have none, which are absent (deal.Absent).
func (f *Features) ImagesOf(ids []int64) (vectors []float32, without []int) {
	at := positions(f.ImageIDs)
	vectors = make([]float32, len(ids)*f.Dim)
	for i, id := range ids {
		row := vectors[i*f.Dim : (i+1)*f.Dim]
		if k, ok := at[id]; ok {
			copy(row, f.Images[k*f.Dim:])
		} else {
			deal.SetAbsent(row)
			without = append(without, i)
		}
	}
	return vectors, without
}

// expand puts absent rows where f, as it is kept, lacks pictures of a split.
func (f *Features) expand(all []int64) {
	if len(f.ImageIDs) == len(all) {
		return
	}
	f.Images, _ = f.ImagesOf(all)
	f.ImageIDs = all
}

// rest gives features and texts without those texts whose pictures were all left out: what is measured is then the set without these pictures.
func rest(f *Features, texts []dataset.Text) (*Features, []dataset.Text) {
	if len(f.leftOut) == 0 || len(texts) != len(f.TextIDs) { // the latter is an error of Ranks
		return f, texts
	}
	left := &Features{Dim: f.Dim, ImageIDs: f.ImageIDs, Images: f.Images}
	var kept []dataset.Text
	for i, t := range texts {
		if len(t.ImageIDs) > 0 && !slices.ContainsFunc(t.ImageIDs, func(id int64) bool { return !f.leftOut[id] }) {
			continue
		}
		kept, left.TextIDs = append(kept, t), append(left.TextIDs, f.TextIDs[i])
		left.Texts = append(left.Texts, f.Texts[i*f.Dim:(i+1)*f.Dim]...)
	}
	return left, kept
}

// pairsOf are the pairs of a split without those of pictures that were left out.
func (f *Features) pairsOf(s dataset.Source) []dataset.Pair {
	return slices.DeleteFunc(slices.Clone(dataset.Pairs(s)), func(p dataset.Pair) bool { return f.leftOut[p.ImageID] })
}
