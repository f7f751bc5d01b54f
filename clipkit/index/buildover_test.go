package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/index"
)

// files are those of an index, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(b)
	}
	return all
}

// The files of an index are the same, to the byte, however many ranks build it; one that fails ends all; and what is built goes on on others.
func TestBuildOver(t *testing.T) {
	var items []index.Item
	for i := range 1000 {
		items = append(items, index.Item{ID: int64(i * 3), Tags: map[string]string{"split": "test"}})
	}
	broken := errors.New("a bad picture")
	build := func(w exchange.World, dir string, bad int) error {
		var dst index.Index
		if w.Rank() == 0 {
			dst = create(t, dir)
		}
		done := 0
		err := index.BuildOver(ctx, w, dst, items, func(_ context.Context, rows []int) (v []float32, err error) {
			for _, r := range rows {
				if r == bad && w.Rank() == w.Size()-1 {
					return nil, broken
				}
				v = append(v, vector(items[r].ID)...)
			}
			return v, nil
		}, func(n, total int) {
			if n < done || total != 1000 {
				t.Errorf("%d of %d after %d", n, total, done)
			}
			done = n
		})
		if err == nil && done != 1000 {
			return fmt.Errorf("progress ended at %d", done)
		}
		return err
	}
	one := t.TempDir()
	if err := build(exchange.Alone, one, -1); err != nil {
		t.Fatal(err)
	}
	want := files(t, one)
	for ranks := 2; ranks <= 5; ranks++ {
		dir := t.TempDir()
		for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error { return build(w, dir, 600) }) {
			if failed := rank == ranks-1; failed && !errors.Is(err, broken) || !failed && !errors.Is(err, exchange.ErrElsewhere) {
				t.Errorf("rank %d of %d: %v", rank, ranks, err)
			}
		}
		for rank, err := range exchangetest.Everywhere(ranks-1, func(w exchange.World) error { return build(w, dir, -1) }) {
			if err != nil {
				t.Errorf("going on, rank %d of %d: %v", rank, ranks-1, err)
			}
		}
		got := files(t, dir)
		for name, b := range want {
			if got[name] != b || len(got) != len(want) {
				t.Errorf("%d ranks: %s is another than that of one process", ranks, name)
			}
		}
	}
	for rank, err := range exchangetest.Everywhere(2, func(w exchange.World) error { // what rank 0 is refused ends both
		var dst index.Index
		if w.Rank() == 0 {
			dst = create(t, t.TempDir())
		}
		return index.BuildOver(ctx, w, dst, items, func(_ context.Context, rows []int) ([]float32, error) { return make([]float32, 7*len(rows)), nil }, nil)
	}) {
		if err == nil || errors.Is(err, index.ErrShape) != (rank == 0) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
	for rank, err := range exchangetest.Everywhere(2, func(w exchange.World) error { // other items
		var dst index.Index
		if w.Rank() == 0 {
			dst = create(t, t.TempDir())
		}
		return index.BuildOver(ctx, w, dst, items[w.Rank():], nil, nil)
	}) {
		if err == nil || errors.Is(err, deal.ErrDiffer) != (rank == 0) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}
