package exchange

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrElsewhere is wrapped by what Agree gives to the ranks whose own error is not the one to show.
var ErrElsewhere = errors.New("another rank failed")

// Agree has all ranks go on, or none: where some of them bring an error, the first of these gets its own back, to show it, and the others ErrElsewhere.
// Every rank calls it after what can go wrong for one alone, such as opening its data, and before the next call that takes them all.
func Agree(w World, mine error) error {
	failed := []byte{0}
	if mine != nil {
		failed[0] = 1
	}
	all, err := Gather(w, failed)
	if err != nil {
		return errors.Join(mine, err)
	}
	switch first := bytes.IndexByte(all, 1); {
	case first < 0:
		return nil
	case first != w.Rank():
		return fmt.Errorf("rank %d: %w: rank %d says why", w.Rank(), ErrElsewhere, first)
	case first > 0:
		return fmt.Errorf("rank %d: %w", first, mine)
	}
	return mine
}
