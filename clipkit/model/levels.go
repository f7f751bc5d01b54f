package model

import (
	"context"
	"fmt"
	"iter"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model/pixels"
)

// EncodeLevels is EncodeImages for pictures as bytes, [n,3,R,R] as imaging.Levels makes them.
func (m *Model) EncodeLevels(ctx context.Context, levels []uint8, n int) ([]float32, error) {
	return m.encodeLevels(ctx, levels, n, true)
}

func (m *Model) encodeLevels(ctx context.Context, levels []uint8, n int, unit bool) ([]float32, error) {
	r := m.Config.ImageResolution
	if len(levels) != n*3*r*r {
		return nil, fmt.Errorf("encoding %d images: got %d levels, want [%d,3,%d,%d]", n, len(levels), n, r, r)
	}
	if m.exported != nil || !pixels.Taken(m.Device) {
		return m.encodeImages(ctx, imaging.NormaliseLevels(levels, n), n, unit)
	}
	return encode(ctx, m, m.levels.graph(unit), levels, n, []int{3, r, r}, VisualFeatures, unit)
}

// Encoded is a batch with its features, [N,D].
type Encoded struct {
	imaging.Batch[uint8]
	Features []float32
}

// EncodeBatches encodes batches of pictures as they come, in their order: while the features of one are looked at, a GPU computes the next, and the one after
// that is prepared (imaging.Batches). An error, of batches or of encoding, comes as the last pair. The model must not be closed in the loop.
//
//	for e, err := range m.EncodeBatches(ctx, imaging.Batches(ctx, len(files), 64, 224, prepare)) { … e.First, e.N, e.Features … }
func (m *Model) EncodeBatches(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error]) iter.Seq2[Encoded, error] {
	return m.encodeBatches(ctx, batches, true, inFlight(m.Device))
}

// RawBatches is EncodeBatches without normalisation of the features.
func (m *Model) RawBatches(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error]) iter.Seq2[Encoded, error] {
	return m.encodeBatches(ctx, batches, false, inFlight(m.Device))
}

func (m *Model) encodeBatches(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error], unit bool, flights int) iter.Seq2[Encoded, error] {
	r := m.Config.ImageResolution
	return func(yield func(Encoded, error) bool) {
		p := pipeline[imaging.Batch[uint8]]{model: m, flights: flights}
		defer p.drop()
		land := func() bool {
			b, features, err := p.next()
			return yield(Encoded{b, features}, err) && err == nil
		}
		for b, err := range batches {
			ahead := m.exported == nil && pixels.Taken(m.Device) && b.N <= m.most() && len(b.Pixels) == b.N*3*r*r && flights > 1
			for len(p.flying) > 0 && (err != nil || !ahead || p.full()) { // what came before comes first
				if !land() {
					return
				}
			}
			var features []float32
			switch {
			case err != nil:
			case ahead:
				if err = ctx.Err(); err == nil {
					m.mu.Lock()
					err = add(ctx, &p, b, m.levels.graph(unit), b.Pixels, b.N, []int{3, r, r}, VisualFeatures, unit)
					m.mu.Unlock()
				}
				if err == nil {
					continue
				}
			default:
				features, err = m.encodeLevels(ctx, b.Pixels, b.N, unit)
			}
			if !yield(Encoded{b, features}, err) || err != nil {
				return
			}
		}
		for len(p.flying) > 0 {
			if !land() {
				return
			}
		}
	}
}
