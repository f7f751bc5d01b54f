package milvus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"clipnb/clipkit/index"
	"clipnb/clipkit/index/indextest"
	"clipnb/clipkit/index/milvus/lite"
)

var (
	ctx    = context.Background()
	server *lite.Server // for all tests but that of the killed one
)

func TestMain(m *testing.M) {
	var err error
	if server, err = lite.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestMilvus(t *testing.T) {
	indextest.Test(t, func(t *testing.T, name, model string, dim int) (index.Index, error) {
		x, err := Open(ctx, Config{Address: server.Address, Name: name, Model: model, Dim: dim})
		if err != nil {
			return nil, err
		}
		return x, nil
	})
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "a b", "a-b", "é", strings.Repeat("x", 41)} {
		if _, err := Open(ctx, Config{Address: server.Address, Name: name, Model: "m", Dim: 2}); !errors.Is(err, index.ErrValue) {
			t.Errorf("%q: %v", name, err)
		}
	}
	x, err := Open(ctx, Config{Address: server.Address, Name: "dropped", Model: "m", Dim: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(x.Finish(ctx), x.Drop(ctx)); err != nil {
		t.Error(err)
	}
	y, err := Open(ctx, Config{Address: server.Address, Name: "dropped", Model: "another", Dim: 3})
	if err != nil {
		t.Fatal("after Drop: ", err)
	}
	y.Close()
}

func TestGraph(t *testing.T) {
	x, err := Open(ctx, Config{Address: server.Address, Name: "graph", Model: "m", Dim: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	indextest.Graph(t, x, 10_000)
}

func TestKilledServer(t *testing.T) {
	s, err := lite.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := Open(ctx, Config{Address: s.Address, Name: "killed", Model: "m", Dim: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	indextest.Killed(t, x, s, 4)
}
