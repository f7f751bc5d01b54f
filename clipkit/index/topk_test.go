package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"clipnb/clipkit/device"
)

// unit gives n random unit vectors; every seventh repeats an earlier one, so that there are exact ties.
func unit(rng *rand.Rand, n, dim int) []float32 {
	v := make([]float32, n*dim)
	for i := range n {
		row := v[i*dim : (i+1)*dim]
		if i%7 == 6 {
			j := rng.IntN(i)
			copy(row, v[j*dim:(j+1)*dim])
			continue
		}
		var sum float64
		for d := range row {
			row[d] = float32(rng.NormFloat64())
			sum += float64(row[d]) * float64(row[d])
		}
		for d := range row {
			row[d] /= float32(math.Sqrt(sum))
		}
	}
	return v
}

// one computes all scores of one query, each vector in a panel of its own lane 0: nothing of TopK's blocking.
func one(query, vectors []float32, dim int) []float32 {
	panel, out := newPanel(dim), make([]float32, panelRows)
	var all []float32
	for i := 0; i < len(vectors); i += dim {
		fill(panel, vectors[i:i+dim], dim)
		scores(query, panel, out, dim)
		all = append(all, out[0])
	}
	return all
}

// TopK and Ranks equal a stable sort of all scores, for every way that queries and vectors can be cut; scores equal inner products in float64.
func TestTopKAndRanksEqualAStableSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ n, q, dim, k int }{{1, 1, 1, 1}, {15, 3, 7, 10}, {16, 6, 8, 20}, {50, 1, 13, 5}, {37, 7, 13, 5}, {700, 1, 64, 10}, {333, 61, 24, 10}, {100, 900, 9, 3}, {70, 51, 256, 5}} {
		name := fmt.Sprintf("%+v", c)
		vectors, queries := unit(rng, c.n, c.dim), unit(rng, c.q, c.dim)
		ids, right := make([]int64, c.n), make([][]int, c.q)
		for i := range ids {
			ids[i] = int64(1000 - i)
		}
		for i := range right {
			for range i % 20 {
				right[i] = append(right[i], rng.IntN(c.n))
			}
		}
		x, err := NewExact(c.dim, ids, vectors)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		got, err := x.TopK(context.Background(), queries, c.k, func(done, total int) {
			if last = done; total != c.q {
				t.Errorf("%s: progress of %d", name, total)
			}
		})
		if err != nil || last != c.q {
			t.Fatal(name, last, err)
		}
		ranks, err := x.Ranks(queries, right)
		if err != nil {
			t.Fatal(name, err)
		}
		for q := range c.q {
			query := queries[q*c.dim : (q+1)*c.dim]
			all := one(query, vectors, c.dim)
			order := make([]int, c.n)
			for i := range order {
				order[i] = i
				var exact float64
				for d := range query {
					exact += float64(query[d]) * float64(vectors[i*c.dim+d])
				}
				if math.Abs(exact-float64(all[i])) > 5e-7 {
					t.Fatalf("%s: score %v, want %v", name, all[i], exact)
				}
			}
			slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b], all[a]) })
			var want []Hit
			for _, i := range order[:min(c.k, c.n)] {
				want = append(want, Hit{ids[i], all[i]})
			}
			if !slices.Equal(got[q], want) {
				t.Fatalf("%s query %d:\n%v\n%v", name, q, got[q], want)
			}
			wantRank := 1 + slices.IndexFunc(order, func(i int) bool { return slices.Contains(right[q], i) })
			if ranks[q] != wantRank {
				t.Fatalf("%s query %d: rank %d, want %d", name, q, ranks[q], wantRank)
			}
		}
	}
}

// A pair's score is the same from both sides.
func TestScoresAreSymmetric(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	a, b := unit(rng, 9, 100), unit(rng, 9, 100)
	for i := range 9 {
		for j := range 9 {
			x, y := a[i*100:(i+1)*100], b[j*100:(j+1)*100]
			if one(x, y, 100)[0] != one(y, x, 100)[0] {
				t.Fatal(i, j)
			}
		}
	}
}

// A model that diverged gives no hits and no good ranks.
// fault 36, 19.7
func TestNotANumber(t *testing.T) {
	nan := float32(math.NaN())
	x, err := NewExact(1, []int64{1, 2, 3}, []float32{nan, 1, nan})
	if err != nil {
		t.Fatal(err)
	}
	if hits, err := x.Search([]float32{1}, 3); err != nil || !slices.Equal(hits, []Hit{{2, 1}}) {
		t.Error(hits, err)
	}
	if ranks, err := x.Ranks([]float32{1, nan, 1}, [][]int{{0}, {1}, {2, 1}}); err != nil || !slices.Equal(ranks, []int{3, 3, 1}) {
		t.Error(ranks, err)
	}
}

func TestTopKStops(t *testing.T) {
	x, err := NewExact(1, []int64{1}, []float32{1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if hits, err := x.TopK(ctx, []float32{1, 1}, 1, nil); hits != nil || !errors.Is(err, context.Canceled) {
		t.Error(hits, err)
	}
	if _, err := x.Ranks([]float32{1}, [][]int{{1}}); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
	if _, err := x.Ranks([]float32{1}, nil); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
}

// BenchmarkTopK takes the ten best of 100,000 for 8,192 queries; 100,000 queries take twelve times as long.
func BenchmarkTopK(b *testing.B) {
	const n, q, dim = 100_000, 8192, 512
	dev, err := device.Open("")
	if err != nil {
		b.Fatal(err)
	}
	defer dev.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	x, err := NewExact(dim, make([]int64, n), unit(rng, n, dim))
	if err != nil {
		b.Fatal(err)
	}
	queries := unit(rng, q, dim)
	for b.Loop() {
		if _, err := x.SearchAll(queries, 10); err != nil {
			b.Fatal(err)
		}
	}
	gflops := 2 * float64(n) * q * dim * float64(b.N) / b.Elapsed().Seconds() / 1e9
	b.ReportMetric(gflops, "GFLOP/s")
	if peak := dev.PeakGFLOPS(); peak > 0 {
		b.ReportMetric(100*gflops/peak, "%peak")
	}
}

// BenchmarkCopies is what it costs that vectors that lie in a file are copied, and guarded, before C reads them: the processor's time for some queries
// at once against 100,000.
func BenchmarkCopies(b *testing.B) {
	const n, dim = 100_000, 512
	rng := rand.New(rand.NewPCG(1, 2))
	x, err := NewExact(dim, make([]int64, n), unit(rng, n, dim))
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []int{1, 8, 64, 512} {
		queries := unit(rng, q, dim)
		for _, x.mapped = range []bool{false, true} {
			b.Run(fmt.Sprintf("%d queries, copied=%v", q, x.mapped), func(b *testing.B) {
				var before, after syscall.Rusage
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
				for b.Loop() {
					if _, err := x.SearchAll(queries, 10); err != nil {
						b.Fatal(err)
					}
				}
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
				b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano())/1e6/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// BenchmarkRanks is what Recall of 1,000 pictures and 5,000 texts costs, both ways.
func BenchmarkRanks(b *testing.B) {
	const n, q, dim = 1000, 5000, 512
	rng := rand.New(rand.NewPCG(1, 2))
	pictures, texts := unit(rng, n, dim), unit(rng, q, dim)
	ofText, ofPicture := make([][]int, q), make([][]int, n)
	for i := range ofText {
		ofText[i], ofPicture[i/5] = []int{i / 5}, append(ofPicture[i/5], i)
	}
	x, err := NewExact(dim, make([]int64, n), pictures)
	if err != nil {
		b.Fatal(err)
	}
	y, err := NewExact(dim, make([]int64, q), texts)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := x.Ranks(texts, ofText); err != nil {
			b.Fatal(err)
		}
		if _, err := y.Ranks(pictures, ofPicture); err != nil {
			b.Fatal(err)
		}
	}
}
