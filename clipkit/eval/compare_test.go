package eval

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
)

func numbered(n int) (ids []int64) {
	for i := range n {
		ids = append(ids, int64(100+i))
	}
	return ids
}

func TestCompareRanks(t *testing.T) {
	d, err := CompareRanks(numbered(5), []int{1, 7, 200, 0, 3}, []int{1, 2, 100, 0, 11}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d.Queries != 5 || d.Clusters != 5 || d.R1.Before != 20 || d.R1.After != 20 || d.R5.Before != 40 || d.R5.After != 40 || d.R10.Before != 60 || d.R10.After != 40 {
		t.Errorf("%+v", d)
	}
	// From 7 to 2 is more than from 200 to 100; a query without an answer does not move.
	if !slices.Equal(d.Improved, []Moved{{101, 7, 2}, {102, 200, 100}}) || !slices.Equal(d.Worsened, []Moved{{104, 3, 11}}) {
		t.Errorf("%+v, %+v", d.Improved, d.Worsened)
	}
	if d.R1.Low != 0 || d.R1.High != 0 || d.R1.Clear() || d.R10.Difference() != -20 || d.R10.Clear() {
		t.Errorf("%+v %+v", d.R1, d.R10)
	}
	again, err := CompareRanks(numbered(5), []int{1, 7, 200, 0, 3}, []int{1, 2, 100, 0, 11}, nil, 1)
	if err != nil || again.Mean != d.Mean || again.R5 != d.R5 {
		t.Error("the same seed gave another interval")
	}
	for _, bad := range [][]int{nil, {1}, {1, 2, 3, 4, 5, 6}} {
		if _, err := CompareRanks(numbered(5), bad, []int{1, 1, 1, 1, 1}, nil, 1); !errors.Is(err, ErrCompare) {
			t.Error(bad, err)
		}
	}
	if _, err := CompareRanks(numbered(1), []int{1}, []int{1}, []int{-1}, 1); !errors.Is(err, ErrCompare) {
		t.Error(err)
	}
	if _, err := CompareRanks(nil, nil, nil, nil, 1); !errors.Is(err, ErrCompare) {
		t.Error(err)
	}
}

// The bootstrap's interval of a mean is close to the normal one, 1.96 standard errors either way; of 400 queries, each five times, it is the
// same when the five are a cluster, and too narrow by √5 when they pass for independent.
func TestBootstrapInterval(t *testing.T) {
	const n = 400
	rng := rand.New(rand.NewPCG(7, 7))
	var before, after, before5, after5, clusters []int
	var sum, squares float64
	for i := range n {
		was, is := 2-rng.IntN(2), 2-int(rng.Float64()+0.6) // ranks 1 and 2
		g := float64(hitAt(is, 1) - hitAt(was, 1))
		sum, squares = sum+g, squares+g*g
		before, after = append(before, was), append(after, is)
		for range 5 {
			before5, after5, clusters = append(before5, was), append(after5, is), append(clusters, i)
		}
	}
	mean := sum / n
	want := 2 * 1.96 * 100 * math.Sqrt((squares/n-mean*mean)/n)
	width := func(ids []int64, before, after, clusters []int) float64 {
		t.Helper()
		d, err := CompareRanks(ids, before, after, clusters, 3)
		if err != nil {
			t.Fatal(err)
		}
		if d.R1.Low > d.R1.Difference() || d.R1.High < d.R1.Difference() || math.Abs(d.R1.Difference()-100*mean) > 1e-9 {
			t.Errorf("%+v around %g", d.R1, 100*mean)
		}
		return d.R1.High - d.R1.Low
	}
	single, clustered := width(numbered(n), before, after, nil), width(numbered(5*n), before5, after5, clusters)
	independent := width(numbered(5*n), before5, after5, nil)
	for what, got := range map[string]float64{"single": single, "clustered": clustered, "independent × √5": independent * math.Sqrt(5)} {
		if math.Abs(got/want-1) > 0.05 {
			t.Errorf("%s: width %.2f, want about %.2f", what, got, want)
		}
	}
}

func TestPictureClusters(t *testing.T) {
	got := pictureClusters([]dataset.Text{{ImageIDs: []int64{8}}, {ImageIDs: []int64{9, 8}}, {}, {ImageIDs: []int64{8}}, {}, {ImageIDs: []int64{9}}})
	if !slices.Equal(got, []int{0, 1, 2, 0, 3, 1}) {
		t.Error(got)
	}
}

func TestCompare(t *testing.T) {
	before, texts := circle()
	after, _ := circle()
	copy(after.Texts, after.Images[:2]) // text 1 lies exactly on picture 10
	copy(after.Texts[4:], after.Images[:2])
	c, err := Compare(before, after, texts, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Text 3 comes from the second place to the first; text 4 has no picture and stays a miss; picture 30 has no text and is not asked.
	if !slices.Equal(c.TextToImage.Improved, []Moved{{3, 2, 1}}) || c.TextToImage.R1.Before != 50 || c.TextToImage.R1.After != 75 ||
		c.TextToImage.Clusters != 3 || c.ImageToText.Queries != 2 {
		t.Errorf("%+v %+v", c.TextToImage, c.ImageToText)
	}
	if s := c.String(); !strings.Contains(s, "text→image: 4 queries, 1 better, 0 worse") || !strings.Contains(s, "R@1   50.0 → 75.0 (+25.0, 95% ") {
		t.Error(s)
	}
	after.TextIDs = []int64{4, 3, 2, 1}
	if _, err := Compare(before, after, texts, 1); !errors.Is(err, ErrCompare) {
		t.Error(err)
	}
}

func ExampleCompareRanks() {
	before, after := []int{1, 4, 9, 20}, []int{1, 1, 12, 2}
	d, err := CompareRanks([]int64{11, 12, 13, 14}, before, after, nil, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.R5)
	fmt.Println("better:", d.Improved, "worse:", d.Worsened)
	// Output:
	// 50.0 → 75.0 (+25.0, 95% +0.0 to +75.0)
	// better: [{12 4 1} {14 20 2}] worse: [{13 9 12}]
}
