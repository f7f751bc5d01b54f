package pgvector

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"clipnb/clipkit/index"
	"clipnb/clipkit/index/indextest"
)

const (
	benchRows, benchDim = 100_000, 512
	benchQueries        = 1000
)

// loaded makes the index, and the exact answers, once.
var loaded = sync.OnceValues(func() (*bench, error) {
	vectors := indextest.Features(1, benchRows, benchDim)
	b := &bench{want: map[string][][]index.Hit{}, queries: map[string][]float32{
		"pictures": indextest.Features(2, benchQueries, benchDim), "texts": indextest.Texts(3, benchQueries, benchDim),
	}}
	ids := make([]int64, benchRows)
	items := make([]index.Item, benchRows)
	for i := range ids {
		ids[i] = int64(i)
		items[i] = index.Item{ID: int64(i), Tags: map[string]string{"split": []string{"train", "test"}[i%2], "hundred": fmt.Sprint(i % 100), "ten": fmt.Sprint(i % 10)}}
	}
	for name, filter := range benchFilters {
		var some []int64
		var rows []float32
		for i, it := range items {
			if has(it.Tags, filter) {
				some, rows = append(some, ids[i]), append(rows, vectors[i*benchDim:(i+1)*benchDim]...)
			}
		}
		exact, err := index.NewExact(benchDim, some, rows)
		if err != nil {
			return nil, err
		}
		for kind, queries := range b.queries {
			if b.want[kind+name], err = exact.SearchAll(queries, 10); err != nil {
				return nil, err
			}
		}
	}
	x, err := Open(ctx, Config{URL: server.URL, Name: "bench", Model: "m", Dim: benchDim})
	if err != nil {
		return nil, err
	}
	defer x.Close()
	start := time.Now()
	for at := 0; at < benchRows; at += 5000 {
		if err := x.Add(ctx, items[at:at+5000], vectors[at*benchDim:(at+5000)*benchDim]); err != nil {
			return nil, err
		}
	}
	b.load, start = time.Since(start), time.Now()
	err = x.Finish(ctx)
	b.build = time.Since(start)
	return b, err
})

type bench struct {
	queries     map[string][]float32     // by kind
	want        map[string][][]index.Hit // by kind and filter
	load, build time.Duration
}

var benchFilters = map[string]map[string]string{
	"all": nil, "half": {"split": "test"}, "tenth": {"ten": "3"}, "hundredth": {"hundred": "7"},
}

func has(tags, filter map[string]string) bool {
	for name, value := range filter {
		if tags[name] != value {
			return false
		}
	}
	return true
}

// BenchmarkSearch searches 100,000 × 512 from one client and from eight, and prints recall@10 against the exact answers and queries per second.
func BenchmarkSearch(b *testing.B) {
	set, err := loaded()
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("100,000 × 512: loaded in %.1f s, graph built in %.1f s", set.load.Seconds(), set.build.Seconds())
	for _, c := range []struct {
		kind, filter string
		clients, ef  int
	}{
		{"pictures", "all", 8, 40}, {"pictures", "all", 8, 200}, {"texts", "all", 8, 80}, {"texts", "all", 1, 200}, {"texts", "all", 8, 200}, {"texts", "all", 8, 400},
		{"texts", "half", 8, 200}, {"texts", "tenth", 8, 200}, {"texts", "hundredth", 8, 200},
	} {
		b.Run(fmt.Sprintf("%s/%s/ef=%d/clients=%d", c.kind, c.filter, c.ef, c.clients), func(b *testing.B) {
			x, err := Open(ctx, Config{URL: fmt.Sprintf("%s&pool_max_conns=%d", server.URL, c.clients), Name: "bench", Model: "m", Dim: benchDim, EFSearch: c.ef})
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			var next, found, asked atomic.Int64
			var wg sync.WaitGroup
			ask := func() {
				for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
					q := i % benchQueries
					hits, err := x.Search(ctx, index.Query{Vector: set.queries[c.kind][q*benchDim : (q+1)*benchDim], Model: "m", K: 10, Filter: benchFilters[c.filter]})
					if err != nil {
						b.Error(err)
						return
					}
					for _, h := range set.want[c.kind+c.filter][q] {
						asked.Add(1)
						if slices.ContainsFunc(hits, func(got index.Hit) bool { return got.ID == h.ID }) {
							found.Add(1)
						}
					}
				}
			}
			b.ResetTimer()
			for range c.clients {
				wg.Go(ask)
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
			b.ReportMetric(float64(found.Load())/float64(asked.Load()), "recall@10")
		})
	}
}
