package eval

import (
	"errors"
	"math"
	"path/filepath"
	"testing"

	"clipnb/clipkit/dataset"
)

// Three pictures and four texts on a circle; what is nearest is plain to see.
func circle() (*Features, []dataset.Text) {
	at := func(degrees ...float64) (v []float32) {
		for _, d := range degrees {
			v = append(v, float32(math.Cos(d*math.Pi/180)), float32(math.Sin(d*math.Pi/180)))
		}
		return v
	}
	f := &Features{Dim: 2, ImageIDs: []int64{10, 20, 30}, Images: at(0, 90, 180), TextIDs: []int64{1, 2, 3, 4}, Texts: at(1, 80, 60, 200)}
	return f, []dataset.Text{{ID: 1, ImageIDs: []int64{10}}, {ID: 2, ImageIDs: []int64{20, 10}}, {ID: 3, ImageIDs: []int64{10}}, {ID: 4}}
}

func TestRetrieval(t *testing.T) {
	f, texts := circle()
	r, err := Retrieval(f, texts)
	if err != nil {
		t.Fatal(err)
	}
	// Texts 1 and 2 find theirs first, text 3 second, text 4 has none. Picture 10 finds text 1, 20 finds text 2, 30 is not asked.
	want := Report{Images: 3, Texts: 4, TextToImage: Recall([]int{1, 1, 2, 0}), ImageToText: Recall([]int{1, 1}), ImagesAsked: 2, TextMedianRank: 1, ImageMedianRank: 1}
	if *r != want || r.TextToImage.R1 != 50 || r.TextToImage.R10 != 75 {
		t.Errorf("%+v", r)
	}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	if back, err := LoadReport(path); err != nil || *back != *r {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestRecallCountsRanks(t *testing.T) {
	got := Recall([]int{1, 5, 6, 10, 0})
	if got.R1 != 20 || got.R5 != 40 || got.R10 != 80 || math.Abs(got.Mean-140./3) > 1e-12 {
		t.Errorf("%+v", got)
	}
}

func TestHiddenAnswers(t *testing.T) {
	f, texts := circle()
	for i := range texts {
		texts[i].ImageIDs = nil
	}
	if _, err := Retrieval(f, texts); !errors.Is(err, ErrHidden) {
		t.Error(err)
	}
}

// In a batch of two whose vectors are orthogonal, the loss is log(1+e^-scale) and every pair is found.
func TestInBatch(t *testing.T) {
	f := &Features{Dim: 2, ImageIDs: []int64{5, 6}, Images: []float32{1, 0, 0, 1}, TextIDs: []int64{1, 2}, Texts: []float32{1, 0, 0, 1}}
	pairs := []dataset.Pair{{ImageID: 5, TextID: 1}, {ImageID: 6, TextID: 2}}
	loss, i2t, t2i, err := InBatch(f, pairs, []int{1, 0, 0, 1}, 2, 3)
	if err != nil || math.Abs(loss-math.Log(1+math.Exp(-3))) > 1e-6 || i2t != 100 || t2i != 100 {
		t.Error(loss, i2t, t2i, err)
	}
	pairs[0].TextID, pairs[1].TextID = 2, 1
	if loss, i2t, _, _ = InBatch(f, pairs, []int{0, 1}, 2, 3); math.Abs(loss-3-math.Log(1+math.Exp(-3))) > 1e-6 || i2t != 0 {
		t.Error(loss, i2t)
	}
	if _, _, _, err := InBatch(f, pairs, []int{0}, 2, 3); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	if _, _, _, err := InBatch(f, pairs, []int{0, 1, 0}, 2, 3); err == nil || errors.Is(err, ErrEmpty) {
		t.Error("a pair was left out silently", err)
	}
	pairs[0].ImageID = 99
	if _, _, _, err := InBatch(f, pairs, []int{0, 1}, 2, 3); err == nil {
		t.Error("a pair without features was accepted")
	}
}
