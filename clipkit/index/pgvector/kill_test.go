package pgvector

import (
	"testing"

	"clipnb/clipkit/index/indextest"
	"clipnb/clipkit/index/pgvector/pgserver"
)

func TestKilledServer(t *testing.T) {
	s, err := pgserver.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := Open(ctx, Config{URL: s.URL, Name: "killed", Model: "m", Dim: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Finish(ctx); err != nil { // the graph and the index of tags have to be right again too
		t.Fatal(err)
	}
	indextest.Killed(t, x, s, 4)
}
