package model

import (
	"context"
	"iter"

	"clipnb/clipkit/imaging"
)

// EncodeAhead is EncodeLevels with so many batches at a time.
func (m *Model) EncodeAhead(ctx context.Context, levels []uint8, n, flights int) ([]float32, error) {
	r := m.Config.ImageResolution
	return encodeAhead(ctx, m, m.levels.graph(true), levels, n, []int{3, r, r}, VisualFeatures, true, flights)
}

// TextsAhead is EncodeTexts for rows in their order, with so many batches at a time.
func (m *Model) TextsAhead(ctx context.Context, ids []int32, n, flights int) ([]float32, error) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return m.textsAhead(ctx, func(i int) []int32 { return ids[i*len(ids)/n : (i+1)*len(ids)/n] }, order, true, flights)
}

// BatchesAhead is EncodeBatches with so many batches at a time.
func (m *Model) BatchesAhead(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error], flights int) iter.Seq2[Encoded, error] {
	return m.encodeBatches(ctx, batches, true, flights)
}
