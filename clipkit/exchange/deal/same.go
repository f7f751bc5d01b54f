package deal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"clipnb/clipkit/exchange"
)

// ErrDiffer is wrapped when ranks were given different things to work on.
var ErrDiffer = errors.New("the ranks do not work on the same")

// Same checks, by hash, that all ranks have the same things, which are told from each other as %#v prints them. what names them in the error.
func Same(w exchange.World, what string, things ...any) error {
	if w.Size() == 1 {
		return nil
	}
	h := sha256.New()
	fmt.Fprintf(h, "%#v", things)
	all, err := exchange.Gather(w, h.Sum(nil))
	if err != nil {
		return err
	}
	sums := slices.Collect(slices.Chunk(all, sha256.Size))
	for rank, sum := range sums {
		if !bytes.Equal(sum, sums[0]) {
			return exchange.Agree(w, fmt.Errorf("%w: rank %d has other %s (hash %.6x) than rank 0 (%.6x); give all of them the same files and settings",
				ErrDiffer, rank, what, sum, sums[0]))
		}
	}
	return nil
}
