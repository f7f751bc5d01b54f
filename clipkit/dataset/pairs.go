package dataset

// Pair is what contrastive training sees: one picture with one caption.
type Pair struct {
	ImageID, TextID int64
	Text            string
}

// Pairs flattens the many-to-many relation of s: the captions in file order, each with its pictures in the order listed (SPEC §4.3).
func Pairs(s Source) []Pair {
	var pairs []Pair
	for _, text := range s.Texts() {
		for _, id := range text.ImageIDs {
			pairs = append(pairs, Pair{ImageID: id, TextID: text.ID, Text: text.Text})
		}
	}
	return pairs
}

// Repeats counts the rows of a batch whose picture, or whose caption, an earlier row has too. The loss takes such rows for false
// negatives; many of them in a batch hold accuracy down, which large shuffled batches avoid (SPEC §4.5).
func Repeats(pairs []Pair, batch []int) (images, texts int) {
	seenImages, seenTexts := make(map[int64]bool), make(map[string]bool)
	for _, i := range batch {
		p := pairs[i]
		if seenImages[p.ImageID] {
			images++
		}
		if seenTexts[p.Text] {
			texts++
		}
		seenImages[p.ImageID], seenTexts[p.Text] = true, true
	}
	return images, texts
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
