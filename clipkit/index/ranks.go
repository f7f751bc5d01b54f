package index

import (
	"context"
	"fmt"
	"math"
)

// Ranks gives for every row of queries [q, dim] the 1-based place that the first of its right vectors has in the whole ranking, and 0 where
// it has none. right[i] lists positions in the index, not ids. Equal scores keep the order of the index, as in Search; a right answer whose
// score is not a number is last.
func (x *Exact) Ranks(queries []float32, right [][]int) ([]int, error) {
	if len(queries) != x.dim*len(right) {
		return nil, fmt.Errorf("%w: %d values and %d lists of right answers, dimension %d", ErrShape, len(queries), len(right), x.dim)
	}
	for i, list := range right {
		for _, p := range list {
			if p < 0 || p >= len(x.ids) {
				return nil, fmt.Errorf("%w: query %d names vector %d of %d", ErrShape, i, p, len(x.ids))
			}
		}
	}
	ranks, ctx := make([]int, len(right)), context.Background()
	err := x.sweep(ctx, len(right), nil, func(lo, hi int, parts []span) error {
		asked, scratch := queries[lo*x.dim:hi*x.dim], x.newScratch()
		bound, own := make([]float32, hi-lo), make([]int32, hi-lo)
		for i := range bound {
			bound[i], own[i] = scratch.first(asked[i*x.dim:(i+1)*x.dim], right[lo+i])
		}
		before := make([][]int64, len(parts))
		for i := range before {
			before[i] = make([]int64, hi-lo)
		}
		err := x.scan(ctx, parts, func(part int, b, _ block, panel []float32) {
			precede(asked, b.vectors, panel, x.dim, b.first, bound, own, before[part])
		})
		for i := range bound {
			switch {
			case len(right[lo+i]) == 0:
			case bound[i] == lowest:
				ranks[lo+i] = len(x.ids)
			default:
				ranks[lo+i] = 1
				for part := range before {
					ranks[lo+i] += int(before[part][i])
				}
			}
		}
		return err
	})
	return ranks, err
}

// scratch is room for scoring a few vectors that do not lie side by side.
type scratch struct {
	x             *Exact
	panel, gather []float32
	out           [panelRows]float32
}

func (x *Exact) newScratch() *scratch {
	return &scratch{x: x, panel: newPanel(x.dim), gather: newPanel(x.dim)}
}

// first finds which of some vectors is ranked first, and its score.
func (s *scratch) first(query []float32, positions []int) (best float32, at int32) {
	best, at = lowest, math.MaxInt32
	dim := s.x.dim
	for from := 0; from < len(positions); from += panelRows {
		group := positions[from:min(from+panelRows, len(positions))]
		for i, p := range group {
			copy(s.gather[i*dim:(i+1)*dim], s.x.vectors[p*dim:(p+1)*dim])
		}
		fill(s.panel, s.gather, dim) // what is left of earlier groups in the other rows is scored and not looked at
		scores(query, s.panel, s.out[:], dim)
		for i, p := range group {
			if s.out[i] > best || (s.out[i] == best && int32(p) < at) {
				best, at = s.out[i], int32(p)
			}
		}
	}
	return best, at
}
