// Package indextest is the conformance suite of index.Index: an engine is done when it passes.
//
//	indextest.Test(t, func(t *testing.T, name, model string, dim int) (index.Index, error) {
//		return index.Create(filepath.Join(dir, name), model, dim)
//	})
package indextest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"clipnb/clipkit/index"
)

// Engine opens the index that is called name, which it makes where there is none: the same name twice is the same index.
type Engine func(t *testing.T, name, model string, dim int) (index.Index, error)

const (
	model = "m"
	other = "0e57f5aa0b0c4b8e9b7fd2c0f11d2b9d"
)

var ctx = context.Background()

// Test runs the suite. Names that it opens are letters and digits.
func Test(t *testing.T, engine Engine) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"empty", empty}, {"search", search}, {"ties", ties}, {"replace", replace}, {"delete", remove}, {"filters", filters}, {"names", names}, {"ids", ids},
		{"recall", recall}, {"reopen", reopen}, {"refused", refused}, {"models", models}, {"concurrent", concurrent}, {"handles", handles}, {"stopped", stopped},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, engine) })
	}
}

func open(t *testing.T, engine Engine, name string, dim int) index.Index {
	t.Helper()
	x, err := engine(t, name, model, dim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func add(t *testing.T, x index.Index, vectors []float32, items ...index.Item) {
	t.Helper()
	if err := x.Add(ctx, items, vectors); err != nil {
		t.Fatal(err)
	}
}

func item(id int64, tags ...string) index.Item {
	it := index.Item{ID: id}
	for i := 0; i < len(tags); i += 2 {
		if it.Tags == nil {
			it.Tags = map[string]string{}
		}
		it.Tags[tags[i]] = tags[i+1]
	}
	return it
}

// find searches and checks what every answer must be: at most k, in order, no ID twice.
func find(t *testing.T, x index.Index, k int, filter map[string]string, v ...float32) []index.Hit {
	t.Helper()
	hits, err := x.Search(ctx, index.Query{Vector: v, Model: model, K: k, Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	ordered := slices.Clone(hits)
	index.Order(ordered)
	if len(hits) > max(k, 0) || !slices.Equal(ordered, hits) {
		t.Fatalf("%d hits for k %d, in the order %v", len(hits), k, hits)
	}
	seen := map[int64]bool{}
	for _, h := range hits {
		if seen[h.ID] {
			t.Fatalf("ID %d twice in %v", h.ID, hits)
		}
		seen[h.ID] = true
	}
	return hits
}

func want(t *testing.T, got []index.Hit, want ...index.Hit) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i].ID != want[i].ID || math.Abs(float64(got[i].Score-want[i].Score)) > 1e-5 {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func length(t *testing.T, x index.Index, want int) {
	t.Helper()
	if n, err := x.Len(ctx); err != nil || n != want {
		t.Fatalf("%d vectors, want %d (%v)", n, want, err)
	}
}

// random gives n unit vectors.
func random(rng *rand.Rand, n, dim int) []float32 {
	v := make([]float32, n*dim)
	for row := range slices.Chunk(v, dim) {
		for d := range row {
			row[d] = float32(rng.NormFloat64())
		}
		normalise(row)
	}
	return v
}

func empty(t *testing.T, engine Engine) {
	x := open(t, engine, "empty", 3)
	length(t, x, 0)
	want(t, find(t, x, 10, nil, 1, 0, 0))
	want(t, find(t, x, 10, map[string]string{"a": "b"}, 1, 0, 0))
	add(t, x, nil)
	if err := x.Delete(ctx, 1, 2); err != nil {
		t.Error(err)
	}
	if err := x.Delete(ctx); err != nil {
		t.Error(err)
	}
	if m, err := x.Missing(ctx, 3, 1, 2); err != nil || !slices.Equal(m, []int64{3, 1, 2}) {
		t.Error(m, err)
	}
	if m, err := x.Missing(ctx); err != nil || len(m) != 0 {
		t.Error(m, err)
	}
	if v, err := x.Vectors(ctx, 1); err != nil || len(v) != 0 {
		t.Error(v, err)
	}
	if x.Dim() != 3 || x.Model() != model {
		t.Errorf("dimension %d, model %q", x.Dim(), x.Model())
	}
}

func search(t *testing.T, engine Engine) {
	x := open(t, engine, "search", 2)
	add(t, x, []float32{1, 0, 0, 1, 0.6, 0.8, -1, 0}, item(7), item(8), item(9), item(10))
	length(t, x, 4)
	want(t, find(t, x, 2, nil, 0, 1), index.Hit{ID: 8, Score: 1}, index.Hit{ID: 9, Score: 0.8})
	want(t, find(t, x, 100, nil, 1, 0), index.Hit{ID: 7, Score: 1}, index.Hit{ID: 9, Score: 0.6}, index.Hit{ID: 8, Score: 0}, index.Hit{ID: 10, Score: -1})
	want(t, find(t, x, 0, nil, 1, 0))
	want(t, find(t, x, -1, nil, 1, 0))
	add(t, x, []float32{0.8, 0.6}, item(11)) // after a search, and another batch
	want(t, find(t, x, 2, nil, 1, 0), index.Hit{ID: 7, Score: 1}, index.Hit{ID: 11, Score: 0.8})
	if m, err := x.Missing(ctx, 11, 12, 7, 13); err != nil || !slices.Equal(m, []int64{12, 13}) {
		t.Error(m, err)
	}
	v, err := x.Vectors(ctx, 9, 12)
	if err != nil || len(v) != 1 || !slices.Equal(v[9], []float32{0.6, 0.8}) {
		t.Error(v, err)
	}
}

func ties(t *testing.T, engine Engine) {
	x := open(t, engine, "ties", 2)
	for _, id := range []int64{30, 10, 20, 40} {
		add(t, x, []float32{0.6, 0.8}, item(id))
	}
	add(t, x, []float32{0, 1}, item(5))
	want(t, find(t, x, 5, nil, 0.28, 0.96), index.Hit{ID: 5, Score: 0.96}, index.Hit{ID: 10, Score: 0.936}, index.Hit{ID: 20, Score: 0.936},
		index.Hit{ID: 30, Score: 0.936}, index.Hit{ID: 40, Score: 0.936})
	if got := find(t, x, 3, nil, 0.28, 0.96); len(got) != 3 || got[0].ID != 5 {
		t.Errorf("%v: not three with 5 first", got)
	}
}

func replace(t *testing.T, engine Engine) {
	x := open(t, engine, "replace", 2)
	add(t, x, []float32{1, 0, 0, 1}, item(1, "split", "train"), item(2, "split", "train"))
	add(t, x, []float32{-1, 0}, item(1, "split", "test"))
	length(t, x, 2)
	want(t, find(t, x, 5, nil, 1, 0), index.Hit{ID: 2, Score: 0}, index.Hit{ID: 1, Score: -1})
	want(t, find(t, x, 5, map[string]string{"split": "train"}, 1, 0), index.Hit{ID: 2, Score: 0})
	want(t, find(t, x, 5, map[string]string{"split": "test"}, 1, 0), index.Hit{ID: 1, Score: -1})
	for i := range 5 {
		add(t, x, []float32{1, 0}, item(1, "split", fmt.Sprint(i)))
	}
	length(t, x, 2)
	want(t, find(t, x, 5, map[string]string{"split": "4"}, 1, 0), index.Hit{ID: 1, Score: 1})
	want(t, find(t, x, 5, map[string]string{"split": "3"}, 1, 0))
}

func remove(t *testing.T, engine Engine) {
	x := open(t, engine, "delete", 2)
	add(t, x, []float32{1, 0, 0, 1, 0.6, 0.8}, item(1), item(2), item(3))
	if err := x.Delete(ctx, 1, 99, 1); err != nil {
		t.Fatal(err)
	}
	length(t, x, 2)
	want(t, find(t, x, 5, nil, 1, 0), index.Hit{ID: 3, Score: 0.6}, index.Hit{ID: 2, Score: 0})
	add(t, x, []float32{0.8, 0.6}, item(1))
	want(t, find(t, x, 1, nil, 1, 0), index.Hit{ID: 1, Score: 0.8})
	if err := x.Delete(ctx, 1, 2, 3); err != nil {
		t.Fatal(err)
	}
	length(t, x, 0)
	want(t, find(t, x, 5, nil, 1, 0))
}

// filters: what few vectors have is found although many nearer ones have it not.
func filters(t *testing.T, engine Engine) {
	const n, dim = 3000, 16
	x := open(t, engine, "filters", dim)
	rng := rand.New(rand.NewPCG(1, 2))
	vectors := random(rng, n, dim)
	var items []index.Item
	for i := range n {
		it := item(int64(i), "split", []string{"train", "valid", "test"}[i%3])
		if i%100 == 0 {
			it.Tags["rare"] = "yes"
		}
		if i%5 == 0 {
			it.Tags = nil
		}
		items = append(items, it)
	}
	for at := 0; at < n; at += 1000 {
		add(t, x, vectors[at*dim:(at+1000)*dim], items[at:at+1000]...)
	}
	for _, filter := range []map[string]string{{"split": "test"}, {"split": "train", "rare": "yes"}, {"rare": "yes"}, {"rare": "no"}, {"colour": "red"}, {}} {
		found, all := 0, 0
		for q := range 20 {
			query := vectors[q*dim : (q+1)*dim]
			exact := nearest(query, vectors, items, 10, filter)
			got := find(t, x, 10, filter, query...)
			if len(got) > len(exact) {
				t.Fatalf("%v: %d hits, only %d vectors have the tags", filter, len(got), len(exact))
			}
			found, all = found+common(got, exact), all+len(exact)
		}
		if float64(found) < 0.98*float64(all) {
			t.Errorf("%v: %d of %d nearest found", filter, found, all)
		}
	}
}

// nearest is the answer by definition.
func nearest(query, vectors []float32, items []index.Item, k int, filter map[string]string) []index.Hit {
	var hits []index.Hit
item:
	for i, it := range items {
		for name, value := range filter {
			if v, ok := it.Tags[name]; !ok || v != value {
				continue item
			}
		}
		var s float32
		for d, q := range query {
			s += q * vectors[i*len(query)+d]
		}
		hits = append(hits, index.Hit{ID: it.ID, Score: s})
	}
	index.Order(hits)
	return hits[:min(k, len(hits))]
}

func common(a, b []index.Hit) (n int) {
	for _, h := range a {
		if slices.ContainsFunc(b, func(x index.Hit) bool { return x.ID == h.ID && math.Abs(float64(x.Score-h.Score)) < 1e-5 }) {
			n++
		}
	}
	return n
}

// names: tags are data, whatever they look like.
func names(t *testing.T, engine Engine) {
	x := open(t, engine, "names", 1)
	odd := []string{`'; DROP TABLE items; --`, `"quoted"`, `back\slash`, `{"json": [1]}`, "标题 title", "$1", "%s", "a.b[0]", "", " ", "\n\t", "😀", `\u0041`, "or 1==1"}
	for i, s := range odd {
		add(t, x, []float32{1}, item(int64(i), "name", s, "n"+s, "x"))
	}
	for i, s := range odd {
		want(t, find(t, x, 20, map[string]string{"name": s}, 1), index.Hit{ID: int64(i), Score: 1})
		want(t, find(t, x, 20, map[string]string{"n" + s: "x"}, 1), index.Hit{ID: int64(i), Score: 1})
		want(t, find(t, x, 20, map[string]string{"n" + s: "y"}, 1))
	}
	length(t, x, len(odd))
}

func ids(t *testing.T, engine Engine) {
	x := open(t, engine, "ids", 1)
	all := []int64{math.MinInt64, -1, 0, 1 << 53, 1<<53 + 1, math.MaxInt64}
	for _, id := range all {
		add(t, x, []float32{1}, item(id))
	}
	hits := find(t, x, 10, nil, 1)
	for i, h := range hits {
		if h.ID != all[i] {
			t.Fatalf("%v, want the IDs %d", hits, all)
		}
	}
	if m, err := x.Missing(ctx, append(all, 7)...); err != nil || !slices.Equal(m, []int64{7}) {
		t.Error(m, err)
	}
	if err := x.Delete(ctx, math.MinInt64, 1<<53); err != nil {
		t.Fatal(err)
	}
	length(t, x, len(all)-2)
}

// recall: after many changes, the answers are those of a search through all.
func recall(t *testing.T, engine Engine) {
	const n, dim = 2000, 32
	x := open(t, engine, "recall", dim)
	rng := rand.New(rand.NewPCG(3, 4))
	vectors, items := random(rng, n, dim), make([]index.Item, n)
	for i := range items {
		items[i].ID = int64(i * 7 % n)
	}
	add(t, x, vectors, items...)
	fresh := random(rng, 300, dim) // 300 to 599 are replaced, 600 to 799 deleted
	add(t, x, fresh, items[300:600]...)
	copy(vectors[300*dim:], fresh)
	var gone []int64
	for _, it := range items[600:800] {
		gone = append(gone, it.ID)
	}
	if err := x.Delete(ctx, gone...); err != nil {
		t.Fatal(err)
	}
	items, vectors = slices.Delete(items, 600, 800), slices.Delete(vectors, 600*dim, 800*dim)
	length(t, x, len(items))
	found, all := 0, 0
	for range 50 {
		query := random(rng, 1, dim)
		exact := nearest(query, vectors, items, 10, nil)
		found, all = found+common(find(t, x, 10, nil, query...), exact), all+len(exact)
	}
	if float64(found) < 0.98*float64(all) {
		t.Errorf("%d of %d nearest found", found, all)
	}
	if got := find(t, x, 3*n, nil, random(rng, 1, dim)...); len(got) < len(items)*98/100 {
		t.Errorf("%d hits for k %d of %d vectors", len(got), 3*n, len(items))
	}
}

func reopen(t *testing.T, engine Engine) {
	x := open(t, engine, "reopen", 2)
	add(t, x, []float32{1, 0, 0, 1, 0.6, 0.8}, item(1, "a", "1"), item(2, "a", "2"), item(3, "a", "1"))
	if err := x.Delete(ctx, 3); err != nil {
		t.Fatal(err)
	}
	add(t, x, []float32{-1, 0}, item(2, "a", "1"))
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, engine, "reopen", 2)
	length(t, x, 2)
	want(t, find(t, x, 5, map[string]string{"a": "1"}, 1, 0), index.Hit{ID: 1, Score: 1}, index.Hit{ID: 2, Score: -1})
	add(t, x, []float32{0, 1}, item(4))
	want(t, find(t, x, 1, nil, 0, 1), index.Hit{ID: 4, Score: 1})
}
