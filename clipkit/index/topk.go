package index

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"clipnb/clipkit/internal/mapping"

	"golang.org/x/sync/errgroup"
)

var lowest = float32(math.Inf(-1))

// TopK is SearchAll for long work: it stops on ctx, and progress, when not nil, receives queries done and in all, one call at a time.
func (x *Exact) TopK(ctx context.Context, queries []float32, k int, progress func(done, total int)) ([][]Hit, error) {
	if len(queries)%x.dim != 0 {
		return nil, fmt.Errorf("%w: %d values are not rows of dimension %d", ErrShape, len(queries), x.dim)
	}
	k = min(max(k, 0), len(x.ids))
	out := make([][]Hit, rows(queries, x.dim))
	if k == 0 {
		return out, ctx.Err()
	}
	err := x.sweep(ctx, len(out), progress, func(lo, hi int, parts []span) error {
		asked, stride := spread(queries[lo*x.dim:hi*x.dim], x.dim)
		best, where := make([][]float32, len(parts)), make([][]int32, len(parts))
		for i := range parts {
			best[i], where[i] = slices.Repeat([]float32{lowest}, (hi-lo)*k), make([]int32, (hi-lo)*k)
		}
		err := x.scan(ctx, parts, func(part int, b, next block, panel []float32) {
			offer(asked, stride, b, next, panel, x.dim, k, best[part], where[part])
		})
		if err != nil {
			return err
		}
		for i := lo; i < hi; i++ {
			out[i] = x.join(best, where, i-lo, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// join makes the k best of all out of one query's lists, which are in the order of the vectors.
func (x *Exact) join(best [][]float32, where [][]int32, query, k int) []Hit {
	found := make([]Hit, 0, len(best)*k)
	for part := range best {
		for i := query * k; i < (query+1)*k && best[part][i] > lowest; i++ {
			found = append(found, Hit{ID: x.ids[where[part][i]], Score: best[part][i]})
		}
	}
	slices.SortStableFunc(found, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	return found[:min(k, len(found))]
}

// span is a range of vectors, from lo to before hi.
type span struct{ lo, hi int }

const (
	chunk      = 384 // queries that go through all vectors together: packing the vectors is cheap beside them, and they stay in the caches
	minQueries = 24  // with fewer for each core it is better that the cores share the vectors than that each packs all of them
)

// sweep lets work see every one of n queries with every vector, on all cores: chunks of queries side by side, each with all vectors in one
// part, or, where queries are few, one chunk with the vectors in parts.
func (x *Exact) sweep(ctx context.Context, n int, progress func(done, total int), work func(lo, hi int, parts []span) error) error {
	caller := ctx
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	workers := runtime.GOMAXPROCS(0)
	size, parts := min(chunk, (n+workers-1)/workers), []span{{0, len(x.ids)}}
	if n < workers*minQueries {
		size, parts, workers = n, split(len(x.ids), workers), 1
	}
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range workers {
		wg.Go(func() {
			for lo := range next {
				hi := min(lo+size, n)
				if err := work(lo, hi, parts); err != nil {
					end(err)
				}
				mu.Lock()
				if done += hi - lo; progress != nil && ctx.Err() == nil {
					progress(done, n)
				}
				mu.Unlock()
			}
		})
	}
	for lo := 0; lo < n && ctx.Err() == nil; lo += size {
		next <- lo
	}
	close(next)
	wg.Wait()
	if err := caller.Err(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// split cuts n vectors into parts of whole panels.
func split(n, parts int) []span {
	panels := (n + panelRows - 1) / panelRows
	each := (panels + parts - 1) / parts * panelRows
	var out []span
	for lo := 0; lo < n; lo += each {
		out = append(out, span{lo, min(lo+each, n)})
	}
	return out
}

// block is up to 16 vectors side by side that are looked at together.
type block struct {
	vectors []float32
	mask    uint16 // a bit for each that counts
	first   int    // where the first stands
}

// block finds the first in which a vector counts, from row at to before hi; it has no vectors where there is none.
func (x *Exact) block(at, hi int) block {
	for ; at < hi; at += panelRows {
		end := min(at+panelRows, hi)
		mask := uint16(1<<(end-at) - 1)
		if x.mask != nil {
			mask = x.mask[at/panelRows]
		}
		if mask != 0 {
			return block{x.vectors[at*x.dim : end*x.dim], mask, at}
		}
	}
	return block{}
}

// scan hands the vectors of each part to visit, block by block, with the block that comes next and a panel as scratch. Parts run side by side. Vectors
// that lie in a file are copied for visit, because C would end the program where the file is cut short; the next block it only fetches ahead.
func (x *Exact) scan(ctx context.Context, parts []span, visit func(part int, b, next block, panel []float32)) error {
	var group errgroup.Group
	for i, p := range parts {
		group.Go(func() error {
			panel := newPanel(x.dim)
			var room []float32
			if x.mapped {
				room = newPanel(x.dim)
			}
			for b := x.block(p.lo, p.hi); b.vectors != nil && ctx.Err() == nil; {
				next := x.block(b.first+panelRows, p.hi)
				if x.mapped {
					if err := mapping.Guard(func() error { b.vectors = room[:copy(room, b.vectors)]; return nil }); err != nil {
						return err
					}
				}
				visit(i, b, next, panel)
				b = next
			}
			return nil
		})
	}
	return group.Wait()
}
