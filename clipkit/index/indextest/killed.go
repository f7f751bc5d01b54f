package indextest

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"clipnb/clipkit/index"
)

// Server is what an engine keeps its vectors in, when it is another process.
type Server interface {
	Kill() error // SIGKILL
	Restart() error
}

// Killed kills a server at moments of no choice while vectors are added to x and deleted, and looks for all that was acknowledged once the server
// is up again. x has dimension 2, is of the model "m", and is empty.
func Killed(t *testing.T, x index.Index, s Server, rounds int) {
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
	var done atomic.Int64 // operations acknowledged: each adds its batch and deletes the one before the last
	for round := range rounds {
		ended, first := make(chan struct{}), done.Load()
		var stop atomic.Bool
		go func() {
			defer close(ended)
			for op := first; !stop.Load(); op++ {
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
		for deadline := time.Now().Add(4 * time.Minute); done.Load() < first+5; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("five operations took more than four minutes")
			}
		}
		time.Sleep(time.Duration(rng.IntN(100_000)) * time.Microsecond)
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		stop.Store(true)
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		<-ended
		n := done.Load()
		for op := range n {
			ids, _, vectors := batch(op)
			missing, err := x.Missing(ctx, ids...)
			for try := 0; err != nil && try < 20; try++ { // connections to the killed server are found out one by one
				missing, err = x.Missing(ctx, ids...)
			}
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case op < n-2 && len(missing) != len(ids):
				t.Fatalf("round %d: %d of the vectors that operation %d deleted are back", round, len(ids)-len(missing), op+2)
			case op >= n-1 && len(missing) != 0: // those of n-2 may have been deleted by an operation that was not acknowledged
				t.Fatalf("round %d: operation %d was acknowledged, and %d of its vectors are missing", round, op, len(missing))
			}
			if op == n-1 {
				if hits := find(t, x, 1, nil, vectors[:2]...); len(hits) != 1 || math.Abs(float64(hits[0].Score-1)) > 1e-5 {
					t.Fatal(hits)
				}
			}
		}
	}
	t.Logf("%d operations in %d lives", done.Load(), rounds)
}
