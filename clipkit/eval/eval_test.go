package eval

import (
	"errors"
	"math"
	"path/filepath"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/index"
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
	want := experiment.Recall{R1: 50, R5: 75, R10: 75, Mean: 200. / 3}
	if r.TextToImage != want || r.ImageToText.R1 != 100 || r.Images != 3 || r.Texts != 4 {
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
	hits := func(right int) []index.Hit {
		h := make([]index.Hit, 10)
		for i := range h {
			h[i].ID = int64(100 + i)
		}
		if right >= 0 {
			h[right].ID = 1
		}
		return h
	}
	truth := map[int64]bool{1: true}
	got := Recall([][]index.Hit{hits(0), hits(4), hits(5), hits(9), hits(-1)}, []map[int64]bool{truth, truth, truth, truth, truth})
	if got != (experiment.Recall{R1: 20, R5: 40, R10: 80, Mean: 140. / 3}) {
		t.Errorf("%+v", got)
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
	pairs[0].ImageID = 99
	if _, _, _, err := InBatch(f, pairs, []int{0, 1}, 2, 3); err == nil {
		t.Error("a pair without features was accepted")
	}
}
