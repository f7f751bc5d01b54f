package indextest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"clipnb/clipkit/index"
)

// Features look like a trained model's: unit vectors that vary mostly in 48 directions, in 1000 groups of various size, with noise in all. Pure
// noise has no neighbours to speak of, and no graph finds them. Other seeds give other vectors of the same groups.
func Features(seed uint64, n, dim int) []float32 {
	const rank, groups, spread, noise = 48, 1000, 0.7, 0.7
	rng, fixed := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(7, 7))
	normal := func(r *rand.Rand, n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	basis, centres := normal(fixed, rank*dim), normal(fixed, groups*rank)
	out := normal(rng, n*dim)
	for row := range slices.Chunk(out, dim) {
		for d := range row {
			row[d] *= noise
		}
		group := int(groups * math.Pow(rng.Float64(), 2))
		for i, z := range normal(rng, rank) {
			z = spread*z + centres[group*rank+i]
			for d := range row {
				row[d] += z * basis[i*dim+d]
			}
		}
		normalise(row)
	}
	return out
}

// Texts are queries for Features as a model's captions are for its pictures: they all lie to one side, at a cosine of about 0.5, which makes it
// much harder for a graph to find what is nearest.
func Texts(seed uint64, n, dim int) []float32 {
	out, side, rng := Features(seed, n, dim), Features(99, 1, dim), rand.New(rand.NewPCG(seed, 2))
	for row := range slices.Chunk(out, dim) {
		for d := range row {
			row[d] = 0.5*row[d] + 0.8*side[d] + 0.03*float32(rng.NormFloat64())
		}
		normalise(row)
	}
	return out
}

func normalise(row []float32) {
	var sum float64
	for _, x := range row {
		sum += float64(x) * float64(x)
	}
	for d := range row {
		row[d] /= float32(math.Sqrt(sum))
	}
}

// Graph builds n vectors into x, which is empty and of the model "m", as index.Build does, and asks for recall@10 of at least 0.98: over all, and
// where a filter leaves only what lies on the far side of the query.
func Graph(t *testing.T, x index.Index, n int) {
	const queries = 50
	dim := x.Dim()
	vectors, asked := Features(1, n, dim), append(Features(2, queries/2, dim), Texts(3, queries/2, dim)...)
	items := make([]index.Item, n)
	for i := range items {
		items[i] = item(int64(i), "side", "near")
		if vectors[i*dim] < 0 {
			items[i].Tags["side"] = "far"
		}
	}
	encode := func(_ context.Context, rows []int) (v []float32, err error) {
		for _, r := range rows {
			v = append(v, vectors[r*dim:(r+1)*dim]...)
		}
		return v, nil
	}
	if err := index.Build(ctx, x, items, encode, nil); err != nil {
		t.Fatal(err)
	}
	length(t, x, n)
	for _, filter := range []map[string]string{nil, {"side": "far"}} {
		found := 0
		for query := range slices.Chunk(asked, dim) {
			query[0] = float32(math.Abs(float64(query[0])))
			exact := nearest(query, vectors, items, 10, filter)
			got := find(t, x, 10, filter, query...)
			if len(got) != 10 {
				t.Fatalf("filter %v: %d hits", filter, len(got))
			}
			found += common(got, exact)
		}
		t.Logf("filter %v: %d of %d nearest found", filter, found, 10*queries)
		if found < 10*queries*98/100 {
			t.Errorf("filter %v: %d of %d nearest found", filter, found, 10*queries)
		}
	}
}
