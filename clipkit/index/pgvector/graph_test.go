package pgvector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/index"
)

// TestGraph: with many rows the graph is what is searched, and it finds what a filter asks for on the far side of the query too.
func TestGraph(t *testing.T) {
	const n, dim, queries = 25_000, 32, 100
	rng := rand.New(rand.NewPCG(3, 4))
	vectors, asked := features(rng, n, dim), features(rng, queries, dim)
	items := make([]index.Item, n)
	var far []index.Item
	var farVectors []float32
	for i := range items {
		items[i] = index.Item{ID: int64(i), Tags: map[string]string{"side": "near"}}
		if v := vectors[i*dim : (i+1)*dim]; v[0] < 0 {
			items[i].Tags["side"] = "far"
			far, farVectors = append(far, items[i]), append(farVectors, v...)
		}
	}
	if len(far) <= fewRows {
		t.Fatalf("only %d rows are on the far side: they would be compared one by one", len(far))
	}
	x, err := Open(ctx, Config{URL: server.URL, Name: "graph", Model: "m", Dim: dim})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Drop(ctx)
	steps := 0
	encode := func(_ context.Context, rows []int) (v []float32, err error) {
		for _, r := range rows {
			v = append(v, vectors[r*dim:(r+1)*dim]...)
		}
		return v, nil
	}
	if err := index.Build(ctx, x, items, encode, func(int, int) { steps++ }); err != nil || steps < 10 {
		t.Fatal(steps, err)
	}
	var plan string
	if err := x.pool.QueryRow(ctx, fmt.Sprintf("explain (format json) select id from %s order by v <#> $1::real[]::vector limit 10", x.table), asked[:dim]).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, "clipkit_index_graph_v") {
		t.Errorf("the graph is not used: %s", plan)
	}
	for _, c := range []struct {
		filter  map[string]string
		items   []index.Item
		vectors []float32
	}{{nil, items, vectors}, {map[string]string{"side": "far"}, far, farVectors}} {
		ids := make([]int64, len(c.items))
		for i, it := range c.items {
			ids[i] = it.ID
		}
		exact, err := index.NewExact(dim, ids, c.vectors)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for q := range queries {
			query := asked[q*dim : (q+1)*dim]
			if query[0] < 0 {
				query[0] = -query[0]
			}
			want, err := exact.Search(query, 10)
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.Search(ctx, index.Query{Vector: query, Model: "m", K: 10, Filter: c.filter})
			if err != nil || len(got) != 10 {
				t.Fatal(got, err)
			}
			for _, h := range want {
				if slices.ContainsFunc(got, func(g index.Hit) bool { return g.ID == h.ID }) {
					found++
				}
			}
		}
		if found < 10*queries*98/100 {
			t.Errorf("filter %v: %d of %d nearest found", c.filter, found, 10*queries)
		}
		t.Logf("filter %v: %d of %d", c.filter, found, 10*queries)
	}
}
