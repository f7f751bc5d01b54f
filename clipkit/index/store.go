package index

import (
	"context"
	"errors"
)

// ErrOtherModel is wrapped when a query's vector was made by another checkpoint than the index's vectors.
var ErrOtherModel = errors.New("index: query from another model")

// Item is what an index knows of a vector beside its values.
type Item struct {
	ID   int64
	Tags map[string]string // "split": "test", or what the data brings along; searches filter by them
}

// Query asks for the K vectors nearest to Vector.
type Query struct {
	Vector []float32 // [dim], L2-normalised
	Model  string    // hash of the checkpoint that made Vector
	K      int
	Filter map[string]string // tags that a hit must all have; nil = everything
}

// Index is a set of vectors that can be searched, added to and deleted from; every engine runs the same conformance suite (indextest).
// What Add and Delete have acknowledged survives a killed process. Calls are safe from several goroutines.
type Index interface {
	Model() string // hash of the checkpoint that made the vectors
	Dim() int
	Len(ctx context.Context) (int, error)
	Add(ctx context.Context, items []Item, vectors []float32) error // vectors [len(items), dim]; an ID that is there already is replaced
	Delete(ctx context.Context, ids ...int64) error                 // unknown IDs are no error
	Search(ctx context.Context, q Query) ([]Hit, error)             // best first
	Close() error
}
