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

// BatchesAhead is EncodeBatches with so many batches at a time.
func (m *Model) BatchesAhead(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error], flights int) iter.Seq2[Encoded, error] {
	return m.encodeBatches(ctx, batches, true, flights)
}

// NormalisedImages is what VisualFeatures makes of its input first.
var NormalisedImages = normalisedImages
