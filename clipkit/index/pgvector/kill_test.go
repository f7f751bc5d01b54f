package pgvector

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"clipnb/clipkit/index"
	"clipnb/clipkit/index/pgvector/pgserver"
)

// TestKilledServer kills the postmaster (SIGKILL) at moments of no choice while vectors are added and deleted, and looks for all that was
// acknowledged once the server is up again.
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
	if err := x.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	vector := func(id int64) []float32 {
		sin, cos := math.Sincos(float64(id) / 1000)
		return []float32{float32(cos), float32(sin)}
	}
	batch := func(op int64) (ids []int64, items []index.Item, vectors []float32) {
		for id := 20 * op; id < 20*op+20; id++ {
			ids, items, vectors = append(ids, id), append(items, index.Item{ID: id}), append(vectors, vector(id)...)
		}
		return ids, items, vectors
	}
	rng := rand.New(rand.NewPCG(5, 6))
	var done atomic.Int64 // operations acknowledged: op adds its batch and deletes the one before the last
	for round := range 4 {
		ended := make(chan struct{})
		first := done.Load()
		go func() {
			defer close(ended)
			for op := first; ; op++ {
				_, items, vectors := batch(op)
				if x.Add(ctx, items, vectors) != nil {
					return
				}
				if old, _, _ := batch(op - 2); op >= 2 && x.Delete(ctx, old...) != nil {
					return
				}
				done.Store(op + 1)
			}
		}()
		for deadline := time.Now().Add(time.Minute); done.Load() < first+5; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("five operations took more than a minute")
			}
		}
		time.Sleep(time.Duration(rng.IntN(100_000)) * time.Microsecond)
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		x.pool.Reset() // the connections of the killed server
		n := done.Load()
		for op := range n {
			ids, _, vectors := batch(op)
			missing, err := x.Missing(ctx, ids...)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case op < n-2 && len(missing) != len(ids):
				t.Fatalf("round %d: %d of the vectors that operation %d deleted are back", round, len(ids)-len(missing), op+2)
			case op >= n-1 && len(missing) != 0: // operation n may have deleted those of n-2 before the server was killed
				t.Fatalf("round %d: operation %d was acknowledged, and %d of its vectors are missing", round, op, len(missing))
			}
			if op == n-1 {
				hits, err := x.Search(ctx, index.Query{Vector: vectors[:2], Model: "m", K: 1})
				if err != nil || len(hits) != 1 || math.Abs(float64(hits[0].Score-1)) > 1e-5 {
					t.Fatal(hits, err)
				}
			}
		}
	}
	t.Logf("%d operations in 4 lives", done.Load())
}
