// Package deal shares the batches of an evaluation out to the ranks of a world, as cards are dealt, and collects what they made of them.
//
//	mine := deal.Mine(w, ids, 64)                                  // batch 0 to rank 0, batch 1 to rank 1, …, and round again
//	err := deal.Collect(w, len(ids), 64, dim, encode(mine), take)  // take sees all batches in their order, on every rank
//
// Whole batches are dealt, never rows: a batch of another size would be another graph, which may round in another way. So what is collected has the
// same bits whatever the number of ranks is, as far as one batch has the same bits on all of them.
//
// All ranks call these functions, in the same order. One that failed says so in its next call ([exchange.Agree]): the others end in place
// of waiting for what will never come. A rank that dies is its engine's matter.
package deal

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"clipnb/clipkit/exchange"
)

// Mine are the items of this rank's batches, in their order. All batches have size items, but the last of all what is left.
func Mine[T any](w exchange.World, items []T, size int) (mine []T) {
	for at := w.Rank() * size; at < len(items); at += w.Size() * size {
		mine = append(mine, items[at:min(at+size, len(items))]...)
	}
	return mine
}

// errShort is for a sequence that gave fewer batches, or other ones, than the items of its rank make.
var errShort = errors.New("a batch is not as long as it was dealt")

// Collect gathers what the ranks make of their batches, [n, width] of the n items of each. mine gives this rank's, in the order of [Mine]. take receives
// every batch of the rows items in their order, on every rank, and may keep it. It is called between rounds in which each rank has made one batch,
// so no more than a batch for each rank is in memory here.
//
// An error of mine or of take, on any rank, ends all of them.
func Collect(w exchange.World, rows, size, width int, mine iter.Seq2[[]float32, error], take func(vectors []float32) error) error {
	next, stop := iter.Pull2(mine)
	defer stop()
	length := func(first int) int { return min(max(rows-first, 0), size) * width } // of the batch that begins with item first
	var failed error                                                               // of take, which is told in the next round
	for first := 0; first < rows; first += w.Size() * size {
		block := make([]float32, size*width)
		if n := length(first + w.Rank()*size); n > 0 && failed == nil {
			v, err, more := next()
			if err == nil && (!more || len(v) != n) {
				err = fmt.Errorf("collecting from item %d: %w: %d values, want %d", first, errShort, len(v), n)
			}
			copy(block, v)
			failed = err
		}
		if err := exchange.Agree(w, failed); err != nil {
			return err
		}
		all, err := exchange.Gather(w, block)
		if err != nil {
			return err
		}
		for rank := 0; rank < w.Size() && failed == nil; rank++ {
			if n := length(first + rank*size); n > 0 {
				failed = take(all[rank*len(block):][:n:n])
			}
		}
	}
	return exchange.Agree(w, failed)
}

// SetAbsent makes a row stand for an item of which nothing can be made, such as a picture that cannot be read: all ranks see it, and so agree on
// what is left out. It is +Inf everywhere, which no unit vector and no score of one is.
func SetAbsent(row []float32) {
	for i := range row {
		row[i] = float32(math.Inf(1))
	}
}

// Absent tells such a row.
func Absent(row []float32) bool {
	for _, x := range row {
		if !math.IsInf(float64(x), 1) {
			return false
		}
	}
	return len(row) > 0
}
