package deal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"clipnb/clipkit/exchange"
)

// Elsewhere is an error of another rank, which has it in full and tells the user.
type Elsewhere struct {
	Rank        int
	Text        string
	interrupted bool
}

func (e *Elsewhere) Error() string { return fmt.Sprintf("rank %d: %s", e.Rank, e.Text) }

// Unwrap lets the end of the other rank's context count as that of ours.
func (e *Elsewhere) Unwrap() error {
	if e.interrupted {
		return context.Canceled
	}
	return nil
}

// maxText is how many bytes of an error's text travel.
const maxText = 4096

// Agree tells all ranks whether each of them could do its part. If none failed it is nil everywhere. Else the lowest rank that failed gets its own error
// back, and all others an [Elsewhere] of it: they have no part in its cause, or the same. An error that came from an earlier Agree stays what it is.
func Agree(w exchange.World, mine error) error {
	if w.Size() == 1 {
		return mine
	}
	var text string
	var known *Elsewhere
	state := make([]int64, 3) // length of the text, 0 for none; 1 after an interrupt; 1 where it is known already
	if mine != nil {
		text = cmp.Or(strings.ToValidUTF8(mine.Error()[:min(len(mine.Error()), maxText)], ""), "failed")
		state[0] = int64(len(text))
		if errors.Is(mine, context.Canceled) {
			state[1] = 1
		}
		if errors.As(mine, &known) {
			state[2] = 1
		}
	}
	all, err := exchange.Gather(w, state)
	if err != nil {
		return either(mine, err)
	}
	states := slices.Collect(slices.Chunk(all, len(state)))
	first := func(suits func(state []int64) bool) int { return slices.IndexFunc(states, suits) }
	rank := first(func(s []int64) bool { return s[0] > 0 && s[2] == 0 })
	if rank < 0 {
		rank = first(func(s []int64) bool { return s[0] > 0 })
	}
	if rank < 0 {
		return nil
	}
	said := make([]byte, states[rank][0])
	copy(said, text)
	if err := w.Share(said, rank); err != nil {
		return either(mine, err)
	}
	if rank == w.Rank() || known != nil {
		return mine
	}
	return &Elsewhere{Rank: rank, Text: string(said), interrupted: states[rank][1] == 1}
}

// either is the own error, which says more than that the others could not be told.
func either(mine, exchanging error) error {
	if mine != nil {
		return mine
	}
	return exchanging
}

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
			return Agree(w, fmt.Errorf("%w: rank %d has other %s (hash %.6x) than rank 0 (%.6x); give all of them the same files and settings",
				ErrDiffer, rank, what, sum, sums[0]))
		}
	}
	return nil
}
