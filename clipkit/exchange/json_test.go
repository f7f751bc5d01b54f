package exchange_test

import (
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
)

// What rank 0 has, all have, whatever its length.
func TestShareJSON(t *testing.T) {
	for _, n := range []int{1, 3} {
		type heard struct {
			words []string
			err   error
		}
		done := make(chan heard)
		for rank, w := range exchangetest.Threads(n) {
			words := make([]string, rank)
			if rank == 0 {
				words = []string{"一", "two"}
			}
			go func() {
				err := exchange.ShareJSON(w, &words)
				done <- heard{words, err}
			}()
		}
		for range n {
			if h := <-done; h.err != nil || len(h.words) != 2 || h.words[0] != "一" || h.words[1] != "two" {
				t.Error(n, h)
			}
		}
	}
}
