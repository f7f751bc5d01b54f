package index

import (
	"context"
	"fmt"
)

// buildBatch is how many vectors are made and added together; what a killed Build has to make again is at most that many.
const buildBatch = 256

// Finisher is what an engine is beside Index when it searches faster after some work: Build ends with it.
type Finisher interface {
	Finish(ctx context.Context) error
}

// Build adds those of items that dst does not have yet, so a Build that was interrupted goes on where it stopped. encode makes the vectors
// [len(rows), dim] of items[rows[0]], items[rows[1]], …: it encodes pictures, or takes rows out of stored features. progress, when not nil,
// receives items that are in and in all.
//
// Items are known by their IDs: a picture that has changed under its ID, and tags that have changed, are not noticed; delete those first. What
// dst has beside items stays.
func Build(ctx context.Context, dst Index, items []Item, encode func(ctx context.Context, rows []int) ([]float32, error), progress func(done, total int)) error {
	row := make(map[int64]int, len(items))
	ids := make([]int64, len(items))
	for i, it := range items {
		if _, twice := row[it.ID]; twice {
			return fmt.Errorf("building an index: %w: ID %d stands twice among the items", ErrValue, it.ID)
		}
		ids[i], row[it.ID] = it.ID, i
	}
	missing, err := dst.Missing(ctx, ids...)
	if err != nil {
		return fmt.Errorf("building an index: %w", err)
	}
	done := len(items) - len(missing)
	if progress != nil {
		progress(done, len(items))
	}
	for len(missing) > 0 {
		n := min(buildBatch, len(missing))
		rows, part := make([]int, n), make([]Item, n)
		for i, id := range missing[:n] {
			rows[i], part[i] = row[id], items[row[id]]
		}
		missing = missing[n:]
		vectors, err := encode(ctx, rows)
		if err == nil {
			err = dst.Add(ctx, part, vectors)
		}
		if err != nil {
			return fmt.Errorf("building an index, %d of %d in: %w", done, len(items), err)
		}
		if done += n; progress != nil {
			progress(done, len(items))
		}
	}
	if f, ok := dst.(Finisher); ok {
		if err := f.Finish(ctx); err != nil {
			return fmt.Errorf("building an index: %w", err)
		}
	}
	return nil
}
