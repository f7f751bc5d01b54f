package adamw

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The C loops compute what PyTorch's formula says, in every place of lengths that are no multiple of four and of those that several cores share.
// (That they are the graph's update is tested on a model, in train/step.)
func TestInPlaceIsTheFormula(t *testing.T) {
	k := Constants{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, Share: 0.5}
	scalars := Scalars(1e-2, 0.2, k.Beta1, k.Beta2, 3)
	rng := rand.New(rand.NewPCG(1, 2))
	values := func(n int, least float32) (x []float32) {
		for range n {
			x = append(x, least+rng.Float32())
		}
		return x
	}
	for _, n := range []int{0, 1, 3, 4, 7, 1 << 18, 1<<18 + 5} {
		w, m, v, grad := values(n, -0.5), values(n, -0.5), values(n, 0), values(n, -0.5)
		wantW, sum := make([]float64, n), slices.Clone(w)
		for i := range n {
			g := float64(grad[i]) * k.Share
			first, second := k.Beta1*float64(m[i])+(1-k.Beta1)*g, k.Beta2*float64(v[i])+(1-k.Beta2)*g*g
			wantW[i] = float64(w[i])*float64(scalars[0]) - float64(scalars[1])*first/(math.Sqrt(second)/float64(scalars[2])+k.Epsilon)
		}
		before := slices.Clone(w)
		if err := InPlace(k, w, m, v, grad, scalars); err != nil {
			t.Fatal(err)
		}
		if err := AddTo(sum, grad); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if math.Abs(float64(w[i])-wantW[i]) > 1e-6 || sum[i] != before[i]+grad[i] {
				t.Fatalf("value %d of %d is %v, want %v; sum %v", i, n, w[i], wantW[i], sum[i])
			}
		}
	}
}

func TestInPlaceRefusesOtherLengths(t *testing.T) {
	four := make([]float32, 4)
	for i := range 3 {
		x := [3][]float32{four, four, four}
		x[i] = four[:3]
		if err := InPlace(Constants{}, four, x[0], x[1], x[2], [3]float32{}); err == nil {
			t.Errorf("%d of 4 values were taken", len(x[i]))
		}
	}
	if err := AddTo(four[:3], four); err == nil {
		t.Error("4 values were added to 3")
	}
}
