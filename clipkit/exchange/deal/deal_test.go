package deal_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/exchange/exchangetest"
)

// doubled makes [2x, 2x+1] of each item, in batches; it fails at the item broken.
func doubled(items []int, size, broken int) iter.Seq2[[]float32, error] {
	return func(yield func([]float32, error) bool) {
		for part := range slices.Chunk(items, size) {
			var v []float32
			for _, x := range part {
				if x == broken {
					yield(nil, fmt.Errorf("item %d is broken", x))
					return
				}
				v = append(v, float32(2*x), float32(2*x+1))
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Every rank sees all batches in their order, also where ranks have no batch, and the last one is short.
func TestCollect(t *testing.T) {
	for ranks := 1; ranks <= 5; ranks++ {
		for _, rows := range []int{0, 1, 3, 4, 7, 12, 13} {
			items, want := make([]int, rows), make([]float32, 2*rows)
			for i := range items {
				items[i] = i
			}
			for i := range want {
				want[i] = float32(i)
			}
			for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error {
				var got []float32
				sizes := []int{}
				err := deal.Collect(w, rows, 3, 2, doubled(deal.Mine(w, items, 3), 3, -1), func(v []float32) error {
					got, sizes = append(got, v...), append(sizes, len(v))
					return nil
				})
				if !slices.Equal(got, want) || len(sizes) != (rows+2)/3 {
					return fmt.Errorf("%v in batches of %v, %v", got, sizes, err)
				}
				return err
			}) {
				if err != nil {
					t.Errorf("rank %d of %d, %d rows: %v", rank, ranks, rows, err)
				}
			}
		}
	}
}

// A batch that one rank cannot make, and one that one rank cannot store, ends all of them: that rank with its own error, the others knowing whose it was.
func TestFailureEndsAllRanks(t *testing.T) {
	items := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	errFull := errors.New("disk full")
	for ranks := 2; ranks <= 4; ranks++ {
		for broken := range items {
			at := broken / 3 % ranks // the rank that has it
			for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error {
				return deal.Collect(w, len(items), 3, 2, doubled(deal.Mine(w, items, 3), 3, broken), func([]float32) error { return nil })
			}) {
				switch text := fmt.Sprintf("item %d is broken", broken); {
				case err == nil || !strings.HasSuffix(err.Error(), text):
					t.Errorf("rank %d of %d, item %d: %v", rank, ranks, broken, err)
				case rank == at && errors.Is(err, exchange.ErrElsewhere):
					t.Errorf("rank %d of %d, which has item %d: %v", rank, ranks, broken, err)
				case rank != at && (!errors.Is(err, exchange.ErrElsewhere) || !strings.HasPrefix(err.Error(), fmt.Sprintf("rank %d: ", at))):
					t.Errorf("rank %d of %d: %v, want the error of rank %d", rank, ranks, err, at)
				}
			}
		}
		for batch := range 4 {
			for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error {
				taken := 0
				return deal.Collect(w, len(items), 3, 2, doubled(deal.Mine(w, items, 3), 3, -1), func([]float32) error {
					if taken++; taken > batch && w.Rank() == 0 {
						return errFull
					}
					return nil
				})
			}) {
				if err == nil || (rank == 0) != errors.Is(err, errFull) || !strings.Contains(err.Error(), "disk full") {
					t.Errorf("batch %d was not stored, rank %d of %d: %v", batch, rank, ranks, err)
				}
			}
		}
	}
}

// A sequence that does not keep to what was dealt is an error, not a wrong result.
func TestCollectChecksLengths(t *testing.T) {
	for _, err := range exchangetest.Everywhere(2, func(w exchange.World) error {
		return deal.Collect(w, 6, 3, 2, doubled([]int{1, 2}, 3, -1), func([]float32) error { return nil })
	}) {
		if err == nil || !strings.Contains(err.Error(), "4 values, want 6") {
			t.Error(err)
		}
	}
}

func TestSame(t *testing.T) {
	for _, err := range exchangetest.Everywhere(3, func(w exchange.World) error { return deal.Same(w, "labels", []string{"猫", "狗"}, 52) }) {
		if err != nil {
			t.Error(err)
		}
	}
	for rank, err := range exchangetest.Everywhere(3, func(w exchange.World) error { return deal.Same(w, "labels", []string{"猫", "狗"}, 52+w.Rank()/2) }) {
		if err == nil || !strings.Contains(err.Error(), "rank 2 has other labels") || errors.Is(err, deal.ErrDiffer) != (rank == 0) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

// An absent row is told from rows with single infinities and from numbers that are none, and gathered as it is.
func TestAbsent(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, row := range [][]float32{nil, {0, 0}, {inf, 0}, {-inf, -inf}, {float32(math.NaN()), inf}} {
		if deal.Absent(row) {
			t.Errorf("%v is taken for absent", row)
		}
	}
	for _, err := range exchangetest.Everywhere(2, func(w exchange.World) error {
		row := make([]float32, 2)
		if w.Rank() == 1 {
			deal.SetAbsent(row)
		}
		all, err := exchange.Gather(w, row)
		if err == nil && (deal.Absent(all[:2]) || !deal.Absent(all[2:])) {
			err = fmt.Errorf("gathered %v", all)
		}
		return err
	}) {
		if err != nil {
			t.Error(err)
		}
	}
}
