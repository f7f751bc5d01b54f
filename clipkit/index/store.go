package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Errors to test for with errors.Is, beside ErrShape.
var (
	ErrOtherModel = errors.New("index: another model")          // a query, or the index itself, is of another checkpoint's vectors
	ErrValue      = errors.New("index: a value is not allowed") // NaN or infinity in a vector, an ID twice in one Add, tags beyond the limits
	ErrClosed     = errors.New("index: closed")
)

// Limits of every engine.
const (
	MaxDim  = 16384
	MaxTags = 4096 // bytes of one item's tags, names and values together
)

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
	Add(ctx context.Context, items []Item, vectors []float32) error         // vectors [len(items), dim]; an ID that is there already is replaced
	Delete(ctx context.Context, ids ...int64) error                         // unknown IDs are no error
	Search(ctx context.Context, q Query) ([]Hit, error)                     // best first, equal scores by ID
	Vectors(ctx context.Context, ids ...int64) (map[int64][]float32, error) // those that are there, as they were added: for "more like this"
	Missing(ctx context.Context, ids ...int64) ([]int64, error)             // those of ids that are not there, in their order: for work that is resumed
	Close() error
}

// CheckModel refuses a model and dimension that no index can be made for.
func CheckModel(model string, dim int) error {
	if dim < 1 || dim > MaxDim {
		return fmt.Errorf("%w: an index of dimension %d, at most %d", ErrShape, dim, MaxDim)
	}
	if model == "" || len(model) > 256 || !text(model) {
		return fmt.Errorf("%w: an index needs its model's hash, got %.40q", ErrValue, model)
	}
	return nil
}

// CheckItems refuses what Add of any engine refuses; engines call it first.
func CheckItems(dim int, items []Item, vectors []float32) error {
	if len(vectors) != dim*len(items) {
		return fmt.Errorf("%w: %d items and %d values, the index has dimension %d", ErrShape, len(items), len(vectors), dim)
	}
	seen := make(map[int64]bool, len(items))
	for i, it := range items {
		if seen[it.ID] {
			return fmt.Errorf("%w: ID %d stands twice in one Add", ErrValue, it.ID)
		}
		seen[it.ID] = true
		if j := notFinite(vectors[i*dim : (i+1)*dim]); j >= 0 {
			return fmt.Errorf("%w: value %d of ID %d is %g; check the model and the picture that it comes from", ErrValue, j, it.ID, vectors[i*dim+j])
		}
		size := 0
		for name, value := range it.Tags {
			if !text(name) || !text(value) {
				return fmt.Errorf("%w: tag %q=%q of ID %d is not UTF-8 text without zero bytes", ErrValue, name, value, it.ID)
			}
			size += len(name) + len(value)
		}
		if size > MaxTags {
			return fmt.Errorf("%w: the tags of ID %d have %d bytes, at most %d", ErrValue, it.ID, size, MaxTags)
		}
	}
	return nil
}

// Check refuses what Search of any engine refuses; engines call it first.
func (q Query) Check(model string, dim int) error {
	if q.Model != model {
		return fmt.Errorf("%w: the query is of %.12q, the index of %.12q; encode the query with the index's model, or build an index for this one",
			ErrOtherModel, q.Model, model)
	}
	if len(q.Vector) != dim {
		return fmt.Errorf("%w: a query of %d values, the index has dimension %d", ErrShape, len(q.Vector), dim)
	}
	if j := notFinite(q.Vector); j >= 0 {
		return fmt.Errorf("%w: value %d of the query is %g", ErrValue, j, q.Vector[j])
	}
	return nil
}

// Order sorts hits as Search gives them.
func Order(hits []Hit) {
	slices.SortFunc(hits, func(a, b Hit) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID)) })
}

// notFinite finds the first value that is NaN or infinite, or gives -1.
func notFinite(v []float32) int {
	for i, x := range v {
		if x-x != 0 {
			return i
		}
	}
	return -1
}

func text(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
