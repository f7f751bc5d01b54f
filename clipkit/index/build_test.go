package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"clipnb/clipkit/index"
)

// A Build that failed goes on where it stopped, and a finished one encodes nothing.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	x := create(t, dir)
	var items []index.Item
	for i := range 1000 {
		items = append(items, index.Item{ID: int64(i * 3), Tags: map[string]string{"split": "test"}})
	}
	broken := errors.New("a bad picture")
	var encoded []int
	encode := func(_ context.Context, rows []int) (v []float32, err error) {
		encoded = append(encoded, rows...)
		if len(encoded) == 768 { // the third batch
			return nil, broken
		}
		for _, r := range rows {
			v = append(v, vector(items[r].ID)...)
		}
		return v, nil
	}
	var seen []int
	progress := func(done, total int) {
		if seen = append(seen, done); total != 1000 {
			t.Errorf("%d in all", total)
		}
	}
	if err := index.Build(ctx, x, items, encode, progress); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	x.Close()
	x = create(t, dir)
	if err := x.Delete(ctx, 0); err != nil {
		t.Fatal(err)
	}
	encoded = nil
	if err := index.Build(ctx, x, items, encode, progress); err != nil {
		t.Fatal(err)
	}
	if len(encoded) != 489 || encoded[0] != 0 || encoded[1] != 512 {
		t.Errorf("%d encoded, the first are %v", len(encoded), encoded[:2])
	}
	if !slices.Equal(seen, []int{0, 256, 512, 511, 767, 1000}) {
		t.Errorf("progress %v", seen)
	}
	hits, err := x.Search(ctx, index.Query{Vector: vector(999), Model: "m", K: 1, Filter: map[string]string{"split": "test"}})
	if err != nil || len(hits) != 1 || hits[0].ID != 999 {
		t.Error(hits, err)
	}
	encoded = nil
	if err := index.Build(ctx, x, items, encode, nil); err != nil || len(encoded) != 0 {
		t.Error(encoded, err)
	}
	if err := index.Build(ctx, x, append(items, items[3]), encode, nil); !errors.Is(err, index.ErrValue) {
		t.Error(err)
	}
	stop, cancel := context.WithCancel(ctx)
	cancel()
	if err := index.Build(stop, create(t, t.TempDir()), items, encode, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Features that are stored already go into an index row by row.
func ExampleBuild() {
	ids, features := []int64{301, 302, 303}, []float32{1, 0, 0, 1, 0.6, 0.8} // [3, 2], as eval.LoadFeatures gives them
	var items []index.Item
	for _, id := range ids {
		items = append(items, index.Item{ID: id, Tags: map[string]string{"split": "test"}})
	}
	rowsOf := func(_ context.Context, rows []int) (v []float32, err error) {
		for _, r := range rows {
			v = append(v, features[2*r:2*r+2]...)
		}
		return v, nil
	}
	dir, _ := os.MkdirTemp("", "index")
	defer os.RemoveAll(dir)
	x, _ := index.Create(dir, "5f0c0b1d", 2)
	defer x.Close()
	err := index.Build(ctx, x, items, rowsOf, func(done, total int) { fmt.Println(done, "of", total) })
	n, _ := x.Len(ctx)
	fmt.Println(n, err)
	// Output:
	// 0 of 3
	// 3 of 3
	// 3 <nil>
}
