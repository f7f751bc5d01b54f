// Package index finds the nearest of a set of unit vectors.
//
// # Vectors that are kept
//
// An [Index] keeps vectors of one checkpoint with tags, and refuses queries of another. [Folder] is the exact engine and the default; the same
// interface stands before PostgreSQL (package pgvector: a graph, clients on other machines) and Milvus (module milvus: sets beyond one machine).
//
//	x, err := index.Create("experiments/r/index", modelHash, 512)             // or Open; vectors are mapped, not copied
//	err = x.Add(ctx, []index.Item{{ID: 7, Tags: map[string]string{"split": "test"}}}, vectors) // vectors [1, 512]; on the disk when it returns
//	hits, err := x.Search(ctx, index.Query{Vector: v, Model: modelHash, K: 10, Filter: map[string]string{"split": "test"}})
//	err = index.Build(ctx, x, items, encode, progress)                        // adds what is missing: work that was interrupted goes on
//
// A Folder is searched through from end to end: recall is 1, also under filters. One query against 100,000 × 512 takes about 8 ms of the
// processor's time, which the cores share; a filter makes it no slower (BenchmarkFolder100k). Opening checks every row's checksum. A folder
// that is damaged or not an index is [ErrFormat], another model's [ErrOtherModel]; both errors say what to do. Limits: 2³¹ rows, 4 KiB of tags
// an item, 1 GiB of log (some 50 million items with few different tags); opening takes at most 30 times the log's bytes. Where 0.1 s per million vectors is too slow, the other engines help.
//
// # Vectors in memory
//
//	ix, err := index.NewExact(dim, ids, vectors)   // vectors [n, dim], L2-normalised
//	hits, err := ix.Search(query, 10)              // highest inner product first; equal scores keep the order of ids
//	all, err := ix.SearchAll(queries, 10)          // every row of queries [q, dim], on all cores
//	ranks, err := ix.Ranks(queries, right)         // where in the whole ranking the first right answer stands
//
// [Exact] compares every query with every vector, so recall is 1 and nothing is built. The matrix of scores is never held: each block of
// products is looked through while it is in the processor's registers, and memory grows with queries × k. 100,000 × 100,000 × 512 is
// 10¹³ operations, which run at the speed of a large matrix product (BenchmarkTopK prints its share of the machine's peak).
//
// A score is summed in the order of the dimension, whatever block it is computed in. So equal vectors have equal scores, a score is the same
// from both sides, and ties fall as in the reference's stable sort (cn_clip/eval/make_topk_predictions.py:84): the vector that comes first is ranked first. Scores that
// differ by rounding only (about 1e-7) may stand in another order than there. A score that is not a number is never a hit.
package index

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// ErrShape is wrapped when ids, vectors and dimension do not agree.
var ErrShape = errors.New("index: shapes do not agree")

// Hit is one result.
type Hit struct {
	ID    int64
	Score float32 // inner product, the cosine for unit vectors
}

// Exact is an immutable set of vectors; searching is safe from several goroutines.
type Exact struct {
	dim     int
	ids     []int64
	vectors []float32
	mask    []uint16 // a bit for each vector of a panel, unset where it is no hit; nil = all are (TopK only)
	mapped  bool     // vectors lie in a file (TopK only)
}

// NewExact keeps ids and vectors [len(ids), dim] without copying them.
func NewExact(dim int, ids []int64, vectors []float32) (*Exact, error) {
	if dim < 1 || len(vectors) != dim*len(ids) || len(ids) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: %d ids and %d values of dimension %d", ErrShape, len(ids), len(vectors), dim)
	}
	return &Exact{dim: dim, ids: ids, vectors: vectors}, nil
}

// Len is the number of vectors, Dim their dimension.
func (x *Exact) Len() int { return len(x.ids) }
func (x *Exact) Dim() int { return x.dim }

// Search gives the k best for one query [dim]; fewer when the set is smaller.
func (x *Exact) Search(query []float32, k int) ([]Hit, error) {
	if len(query) != x.dim {
		return nil, fmt.Errorf("%w: a query of %d values, the index has dimension %d", ErrShape, len(query), x.dim)
	}
	hits, err := x.SearchAll(query, k)
	if err != nil {
		return nil, err
	}
	return hits[0], nil
}

// SearchAll searches for every row of queries [q, dim], in order.
func (x *Exact) SearchAll(queries []float32, k int) ([][]Hit, error) {
	return x.TopK(context.Background(), queries, k, nil)
}
