package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
)

func random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.IntN(9)) - 4 // whole numbers: ties are frequent and sums exact
	}
	return v
}

// Search equals a stable sort of all scores.
func TestSearchEqualsAStableSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 9, 200} {
		ids := make([]int64, n)
		for i := range ids {
			ids[i] = int64(rng.IntN(1000))
		}
		x, err := NewExact(3, ids, random(rng, 3*n))
		if err != nil {
			t.Fatal(err)
		}
		queries := random(rng, 3*20)
		all, err := x.SearchAll(queries, 10)
		if err != nil {
			t.Fatal(err)
		}
		for q := range all {
			var want []Hit
			for i, id := range ids {
				var s float32
				for d := range 3 {
					s += queries[3*q+d] * x.vectors[3*i+d]
				}
				want = append(want, Hit{id, s})
			}
			sort.SliceStable(want, func(i, j int) bool { return want[i].Score > want[j].Score })
			want = want[:min(10, n)]
			if fmt.Sprint(all[q]) != fmt.Sprint(want) {
				t.Fatalf("n=%d query %d:\n%v\n%v", n, q, all[q], want)
			}
		}
	}
}

// fault 44
func TestShapes(t *testing.T) {
	if _, err := NewExact(2, []int64{1}, []float32{1}); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
	x, _ := NewExact(2, []int64{1}, []float32{1, 0})
	if _, err := x.Search([]float32{1}, 1); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
	if hits, err := x.Search([]float32{1, 0}, 0); err != nil || len(hits) != 0 {
		t.Error(hits, err)
	}
}

func BenchmarkSearch100k(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, dim = 100_000, 512
	v := make([]float32, n*dim)
	for i := range v {
		v[i] = rng.Float32()
	}
	x, err := NewExact(dim, make([]int64, n), v)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := x.Search(v[:dim], 10); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleExact_Search() {
	x, _ := NewExact(2, []int64{7, 8, 9}, []float32{1, 0, 0, 1, 0.6, 0.8})
	hits, _ := x.Search([]float32{0, 1}, 2)
	fmt.Println(hits)
	// Output: [{8 1} {9 0.8}]
}
