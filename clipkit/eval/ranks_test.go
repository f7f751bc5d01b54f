package eval

import (
	"slices"
	"testing"

	"clipnb/clipkit/dataset"
)

func TestRanks(t *testing.T) {
	f, texts := circle()
	t2i, i2t, err := Ranks(f, texts)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(t2i, []int{1, 1, 2, 0}) || !slices.Equal(i2t, []int{1, 1, 0}) {
		t.Error(t2i, i2t)
	}
	texts[0].ID = 99
	if _, _, err := Ranks(f, texts); err == nil {
		t.Error("truth in another order was accepted")
	}
	if _, _, err := Ranks(f, texts[:2]); err == nil {
		t.Error("truth of fewer texts was accepted")
	}
}

// Equal vectors rank in the order of the features.
// fault 36
func TestRanksOfTies(t *testing.T) {
	f := &Features{Dim: 2, ImageIDs: []int64{5, 6, 7}, Images: []float32{1, 0, 1, 0, 1, 0}, TextIDs: []int64{1, 2, 3}, Texts: []float32{1, 0, 1, 0, 0, 1}}
	t2i, i2t, err := Ranks(f, []dataset.Text{{ID: 1, ImageIDs: []int64{7}}, {ID: 2, ImageIDs: []int64{7, 6}}, {ID: 3, ImageIDs: []int64{404}}})
	if err != nil || !slices.Equal(t2i, []int{3, 2, 0}) || !slices.Equal(i2t, []int{0, 2, 1}) {
		t.Error(t2i, i2t, err)
	}
}
