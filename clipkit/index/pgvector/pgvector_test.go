package pgvector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"clipnb/clipkit/index"
	"clipnb/clipkit/index/indextest"
	"clipnb/clipkit/index/pgvector/pgserver"
	"clipnb/clipkit/internal/limit"
)

var (
	ctx    = context.Background()
	server *pgserver.Server // for all tests but that of the killed one
)

func TestMain(m *testing.M) {
	var err error
	if server, err = pgserver.Start("shared_buffers=512MB", "fsync=off"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := limit.Run(m)
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// The suite, with every search through all rows, and with the graph built before the first row is there.
func TestPGVector(t *testing.T) {
	for _, graph := range []bool{false, true} {
		t.Run(fmt.Sprintf("graph=%v", graph), func(t *testing.T) {
			indextest.Test(t, func(t *testing.T, name, model string, dim int) (index.Index, error) {
				x, err := Open(ctx, Config{URL: server.URL, Name: fmt.Sprintf("%s-%v", name, graph), Model: model, Dim: dim})
				if err != nil {
					return nil, err
				}
				if graph {
					if err := x.Finish(ctx); err != nil {
						t.Fatal(err)
					}
				}
				return x, nil
			})
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", `x"; drop table clipkit_indexes; --`, "a b", "é", "-a", strings.Repeat("x", 41)} {
		if _, err := Open(ctx, Config{URL: server.URL, Name: name, Model: "m", Dim: 2}); !errors.Is(err, index.ErrValue) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"select", "A-b_9", strings.Repeat("x", 40)} {
		x, err := Open(ctx, Config{URL: server.URL, Name: name, Model: "m", Dim: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(x.Finish(ctx), x.Drop(ctx)); err != nil {
			t.Error(err)
		}
		y, err := Open(ctx, Config{URL: server.URL, Name: name, Model: "another", Dim: 3})
		if err != nil {
			t.Fatal("after Drop: ", err)
		}
		y.Close()
	}
	if _, err := Open(ctx, Config{URL: server.URL, Name: "large", Model: "m", Dim: 2001}); !errors.Is(err, index.ErrShape) {
		t.Error(err)
	}
	if _, err := Open(ctx, Config{URL: server.URL, Name: "a", Model: "m", Dim: 2, EFSearch: 1001}); !errors.Is(err, index.ErrValue) {
		t.Error(err)
	}
	const secret = "hunter2"
	if _, err := Open(ctx, Config{URL: "postgres://u:" + secret + "@127.0.0.1:1/x", Name: "a", Model: "m", Dim: 2}); err == nil || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
}
