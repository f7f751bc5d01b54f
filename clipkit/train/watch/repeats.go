package watch

import "fmt"

// Repeats says once how many pairs of a step have a picture or a caption that another of them has.
type Repeats struct{ said bool }

// In is told the pictures and captions of a step, row by row. It is "" from the second time on, and where nothing repeats.
func (r *Repeats) In(step int, pictures []int64, captions []string) string {
	if r.said {
		return ""
	}
	p, c := repeated(pictures), repeated(captions)
	if p+c == 0 {
		return ""
	}
	r.said = true
	return fmt.Sprintf("of the %d pairs of step %d here, %d have a picture and %d a caption that another of them has, and the loss takes the other's for a wrong answer. "+
		"With multi_positive it counts as right; \"go run ./clipkit/cmd/clipkit check FOLDER\" counts what repeats in the whole set. This is said once", len(pictures), step, p, c)
}

// repeated is how many of list are there more than once.
func repeated[T comparable](list []T) (n int) {
	count := map[T]int{}
	for _, v := range list {
		count[v]++
	}
	for _, c := range count {
		if c > 1 {
			n += c
		}
	}
	return n
}

// Filled says how the pairs of an epoch make its steps: the batches are filled up from the beginning (cn_clip/training/data.py:118), and those that fill no step
// are left out (cn_clip/training/train.py:154). It is "" where the pairs make whole steps.
func Filled(pairs, batches, perBatch, steps, batchesPerStep int) string {
	again, left := batches*perBatch-pairs, batches-steps*batchesPerStep
	text := ""
	if again > 0 {
		text = fmt.Sprintf("%d pairs fill %d batches of %d with %d pairs taken a second time in each epoch, as the reference does", pairs, batches, perBatch, again)
	}
	if left > 0 {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%d of an epoch's %d batches, chosen anew each time, make no whole step of %d and are left out", left, batches, batchesPerStep)
	}
	return text
}
