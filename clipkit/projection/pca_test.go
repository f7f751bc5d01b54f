package projection

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// cloud makes n rows of random features whose columns differ in spread.
func cloud(n, dim int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float32, n*dim)
	for i := range out {
		out[i] = float32(r.NormFloat64() / float64(1+i%dim))
	}
	return out
}

// gonum's stat.PC goes another way, by singular values: components, variances and points must agree.
func TestPCAAgreesWithSingularValues(t *testing.T) {
	const n, dim = 60, 8
	features := cloud(n, dim)
	points, share, err := PCA(features, dim)
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(n, dim, nil)
	for i, v := range features {
		x.Set(i/dim, i%dim, float64(v))
	}
	var pc stat.PC
	if !pc.PrincipalComponents(x, nil) {
		t.Fatal("gonum found no components")
	}
	variances := pc.VarsTo(nil)
	total := 0.0
	for _, v := range variances {
		total += v
	}
	if want := (variances[0] + variances[1]) / total; math.Abs(share-want) > 1e-9 {
		t.Errorf("share %v, want %v", share, want)
	}
	var vectors, plane mat.Dense
	pc.VectorsTo(&vectors)
	centre(x)
	plane.Mul(x, vectors.Slice(0, dim, 0, 2))
	for k := range 2 {
		sign := math.Copysign(1, points[0][k]*plane.At(0, k))
		for i, p := range points {
			if math.Abs(p[k]-sign*plane.At(i, k)) > 1e-5 {
				t.Fatalf("point %d, component %d: %v, want %v", i, k, p[k], sign*plane.At(i, k))
			}
		}
	}
}

func TestPCAOfALine(t *testing.T) {
	points, share, err := PCA([]float32{0, 0, 3, 4, 6, 8}, 2) // steps of length 5
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{-5, 0, 5} {
		if p := points[i]; math.Abs(p[0]-want) > 1e-6 || math.Abs(p[1]) > 1e-6 {
			t.Errorf("point %d at %v, want (%v, 0)", i, p, want)
		}
	}
	if math.Abs(share-1) > 1e-9 {
		t.Errorf("share %v of a line, want 1", share)
	}
}

func TestPCAOfEqualRows(t *testing.T) {
	points, share, err := PCA([]float32{1, 2, 1, 2, 1, 2}, 2)
	if err != nil || share != 0 {
		t.Fatalf("share %v, error %v; want 0 and none", share, err)
	}
	for _, p := range points {
		if p != [2]float64{} {
			t.Errorf("points %v, want all at the origin", points)
		}
	}
}

func TestPCARefuses(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		features []float32
		dim      int
	}{
		"nothing": {nil, 4}, "one row": {[]float32{1, 2}, 2}, "half a row": {make([]float32, 7), 2},
		"no columns": {[]float32{1}, 0}, "one column": {[]float32{1, 2}, 1}, "NaN": {[]float32{1, 2, nan, 4}, 2},
	} {
		if _, _, err := PCA(c.features, c.dim); !errors.Is(err, ErrFeatures) {
			t.Errorf("%s: error %v, want ErrFeatures", name, err)
		}
	}
}

func BenchmarkPCA(b *testing.B) {
	features := cloud(1000, 512)
	for b.Loop() {
		if _, _, err := PCA(features, 512); err != nil {
			b.Fatal(err)
		}
	}
}
