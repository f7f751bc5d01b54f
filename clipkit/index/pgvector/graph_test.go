package pgvector

import (
	"fmt"
	"strings"
	"testing"

	"clipnb/clipkit/index/indextest"
)

// TestGraph has so many rows on each side that neither is compared row by row.
func TestGraph(t *testing.T) {
	x, err := Open(ctx, Config{URL: server.URL, Name: "far", Model: "m", Dim: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Drop(ctx)
	indextest.Graph(t, x, 3*fewRows)
	if few, err := x.few(ctx, `{"side": "far"}`); err != nil || few {
		t.Errorf("the far side is compared row by row (%v)", err)
	}
	var plan string
	query := indextest.Features(3, 1, 32)
	if err := x.pool.QueryRow(ctx, fmt.Sprintf("explain (format json) select id from %s order by v <#> $1::real[]::vector limit 10", x.table), query).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, "clipkit_graph_far") {
		t.Errorf("the graph is not used: %s", plan)
	}
}
