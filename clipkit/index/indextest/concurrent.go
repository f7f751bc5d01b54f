package indextest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"clipnb/clipkit/index"
)

// concurrent: writers and searchers at once, over two handles; what one writer has added and not yet deleted is always there.
func concurrent(t *testing.T, engine Engine) {
	const dim, writers, rounds = 8, 4, 12
	handles := []index.Index{open(t, engine, "concurrent", dim), open(t, engine, "concurrent", dim)}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 2 {
		wg.Go(func() {
			x, rng := handles[i], rand.New(rand.NewPCG(9, uint64(i)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				hits, err := x.Search(ctx, index.Query{Vector: random(rng, 1, dim), Model: model, K: 5})
				if err != nil || len(hits) > 5 {
					t.Error(hits, err)
					return
				}
			}
		})
	}
	var w sync.WaitGroup
	for i := range writers {
		w.Go(func() {
			x, rng := handles[i%2], rand.New(rand.NewPCG(8, uint64(i)))
			tag := map[string]string{"writer": fmt.Sprint(i)}
			for r := range rounds {
				id := int64(i*1000 + r)
				v := random(rng, 1, dim)
				if err := x.Add(ctx, []index.Item{{ID: id, Tags: tag}}, v); err != nil {
					t.Error(err)
					return
				}
				hits, err := x.Search(ctx, index.Query{Vector: v, Model: model, K: 1, Filter: tag})
				if err != nil || len(hits) != 1 || hits[0].ID != id {
					t.Errorf("writer %d added %d and found %v (%v)", i, id, hits, err)
				}
				if r%3 == 2 {
					if err := x.Delete(ctx, id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	w.Wait()
	close(stop)
	wg.Wait()
	for _, x := range handles {
		length(t, x, writers*rounds*2/3)
	}
}

// handles: an index that is open twice, as by two processes.
func handles(t *testing.T, engine Engine) {
	a, b := open(t, engine, "handles", 2), open(t, engine, "handles", 2)
	add(t, a, []float32{1, 0}, item(1))
	want(t, find(t, b, 5, nil, 1, 0), index.Hit{ID: 1, Score: 1})
	add(t, b, []float32{0, 1}, item(2))
	if err := a.Delete(ctx, 1); err != nil {
		t.Fatal(err)
	}
	want(t, find(t, a, 5, nil, 0, 1), index.Hit{ID: 2, Score: 1})
	want(t, find(t, b, 5, nil, 0, 1), index.Hit{ID: 2, Score: 1})
}

func stopped(t *testing.T, engine Engine) {
	x := open(t, engine, "stopped", 2)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	fails(t, x, gone, context.Canceled)
	length(t, x, 0)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	fails(t, x, ctx, index.ErrClosed)
	if _, err := x.Len(ctx); !errors.Is(err, index.ErrClosed) {
		t.Error(err)
	}
}

// fails wants this error of a search, of adding and of deleting.
func fails(t *testing.T, x index.Index, ctx context.Context, want error) {
	t.Helper()
	if _, err := x.Search(ctx, index.Query{Vector: []float32{1, 0}, Model: model, K: 1}); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	if err := x.Add(ctx, []index.Item{item(1)}, []float32{1, 0}); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	if err := x.Delete(ctx, 1); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}
