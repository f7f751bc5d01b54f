package index

import (
	"context"
	"fmt"
	"slices"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
)

// BuildBatch is how many vectors Build adds together; what a killed Build has to make again is at most that many for each rank.
const BuildBatch = 256

// Finisher is what an engine is beside Index when it searches faster after some work: Build ends with it.
type Finisher interface {
	Finish(ctx context.Context) error
}

// Build adds those of items that dst does not have yet, so a Build that was interrupted goes on where it stopped. encode makes the vectors
// [len(rows), dim] of items[rows[0]], items[rows[1]], …: it encodes pictures, or takes rows out of stored features. progress, when not nil,
// receives items that are in and in all.
//
// An item whose row is absent (deal.Absent), such as a picture that cannot be read, is not added, and asked for again by the next Build.
//
// Items are known by their IDs: a picture that has changed under its ID, and tags that have changed, are not noticed; delete those first. What
// dst has beside items stays.
func Build(ctx context.Context, dst Index, items []Item, encode func(ctx context.Context, rows []int) ([]float32, error), progress func(done, total int)) error {
	return BuildOver(ctx, exchange.Alone, dst, items, encode, progress)
}

// BuildOver is Build on all ranks of w, which have the same items. dst is rank 0's alone, and nil elsewhere; it is added to as one process would.
// encode is called on all ranks with the same rows, up to BuildBatch for each rank; they share the work out, and rank 0's vectors are those that count.
func BuildOver(ctx context.Context, w exchange.World, dst Index, items []Item, encode func(ctx context.Context, rows []int) ([]float32, error), progress func(done, total int)) error {
	missing, err := missingRows(ctx, w, dst, items)
	if err != nil {
		return fmt.Errorf("building an index: %w", err)
	}
	done := len(items) - len(missing)
	report := func(n int) {
		if done += n; progress != nil {
			progress(done, len(items))
		}
	}
	report(0)
	for rows := range slices.Chunk(missing, w.Size()*BuildBatch) {
		vectors, err := encode(ctx, rows)
		if err == nil && w.Rank() == 0 {
			err = addRows(ctx, dst, items, rows, vectors, report)
		} else if err == nil {
			report(len(rows))
		}
		if err := exchange.Agree(w, err); err != nil {
			return fmt.Errorf("building an index, %d of %d in: %w", done, len(items), err)
		}
	}
	if f, ok := dst.(Finisher); ok {
		err = f.Finish(ctx)
	}
	if err := exchange.Agree(w, err); err != nil {
		return fmt.Errorf("building an index: %w", err)
	}
	return nil
}

// missingRows are the rows of the items that dst does not have, on all ranks.
func missingRows(ctx context.Context, w exchange.World, dst Index, items []Item) ([]int, error) {
	row := make(map[int64]int, len(items))
	ids := make([]int64, len(items))
	for i, it := range items {
		if _, twice := row[it.ID]; twice {
			return nil, exchange.Agree(w, fmt.Errorf("%w: ID %d stands twice among the items", ErrValue, it.ID))
		}
		ids[i], row[it.ID] = it.ID, i
	}
	var missing []int64
	var err error
	if w.Rank() == 0 {
		missing, err = dst.Missing(ctx, ids...)
	}
	if err := exchange.Agree(w, err); err != nil {
		return nil, err
	}
	if err := deal.Same(w, "items", ids); err != nil {
		return nil, err
	}
	if missing, err = shareIDs(w, missing); err != nil {
		return nil, err
	}
	rows := make([]int, len(missing))
	for i, id := range missing {
		rows[i] = row[id]
	}
	return rows, nil
}

// shareIDs gives all ranks those of rank 0.
func shareIDs(w exchange.World, ids []int64) ([]int64, error) {
	n := []int64{int64(len(ids))}
	if err := exchange.Share(w, n, 0); err != nil {
		return nil, err
	}
	if w.Rank() != 0 {
		ids = make([]int64, n[0])
	}
	return ids, exchange.Share(w, ids, 0)
}

// addRows adds vectors [len(rows), dim] to dst, BuildBatch at a time, and reports each.
func addRows(ctx context.Context, dst Index, items []Item, rows []int, vectors []float32, report func(n int)) error {
	if len(rows) == 0 || len(vectors)%len(rows) != 0 {
		return fmt.Errorf("%w: %d values for %d items", ErrShape, len(vectors), len(rows))
	}
	dim := len(vectors) / len(rows)
	for part := range slices.Chunk(rows, BuildBatch) {
		var some []Item
		var theirs []float32
		for i, r := range part {
			if row := vectors[i*dim : (i+1)*dim]; !deal.Absent(row) {
				some, theirs = append(some, items[r]), append(theirs, row...)
			}
		}
		if len(some) > 0 {
			if err := dst.Add(ctx, some, theirs); err != nil {
				return err
			}
		}
		vectors = vectors[len(part)*dim:]
		report(len(part))
	}
	return nil
}

// Rows takes rows out of vectors [n, dim].
func Rows(vectors []float32, dim int, rows []int) (out []float32) {
	for _, i := range rows {
		out = append(out, vectors[i*dim:(i+1)*dim]...)
	}
	return out
}
