package dataset

import "slices"

// Pair is what contrastive training sees: one picture with one caption.
type Pair struct {
	ImageID, TextID int64
	Text            string
}

// Pairs flattens the many-to-many relation of s: the captions in file order, each with its pictures in the order listed
// (cn_clip/preprocess/build_lmdb_dataset.py:66).
func Pairs(s Source) []Pair {
	n := 0
	for _, text := range s.Texts() {
		n += len(text.ImageIDs)
	}
	pairs := slices.Grow([]Pair(nil), n)
	for _, text := range s.Texts() {
		for _, id := range text.ImageIDs {
			pairs = append(pairs, Pair{ImageID: id, TextID: text.ID, Text: text.Text})
		}
	}
	return pairs
}

// CaptionsByImage lists the captions of each picture, in file order.
func CaptionsByImage(s Source) map[int64][]string {
	of := map[int64][]string{}
	for _, t := range s.Texts() {
		for _, id := range t.ImageIDs {
			of[id] = append(of[id], t.Text)
		}
	}
	return of
}
