package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrElsewhere is wrapped by what Agree gives to the ranks whose own error is not the one to show.
var ErrElsewhere = errors.New("another rank failed")

// ErrUntold is what Agree's error is (errors.Is) where the ranks could not tell each other: they know nothing of each other's errors.
var ErrUntold = errors.New("the ranks could not tell each other")

// untold is an error of which the other ranks do not know.
type untold struct{ error }

func (u untold) Unwrap() error        { return u.error }
func (u untold) Is(target error) bool { return target == ErrUntold }

// ofRank is an error that Agree has told to all: with its cause on the rank that has it to show, and elsewhere without.
type ofRank struct {
	rank        int
	text        string
	cause       error
	interrupted bool
}

func (e *ofRank) Error() string { return fmt.Sprintf("rank %d: %s", e.rank, e.text) }
func (e *ofRank) Unwrap() error { return e.cause }

// Is lets the end of the other rank's context count as that of ours.
func (e *ofRank) Is(target error) bool {
	return e.cause == nil && (target == ErrElsewhere || e.interrupted && target == context.Canceled)
}

// maxText is how many bytes of an error's text travel.
const maxText = 4096

// Agree has all ranks go on, or none: where some of them bring an error, the first of these gets its own back, to show it, and the others ErrElsewhere
// with its text. Every rank calls it after what can go wrong for one alone, such as opening its data, and before the next call that takes them all.
// What all were told of by an earlier Agree stays as it is.
func Agree(w World, mine error) error {
	if w.Size() == 1 {
		return mine
	}
	var told *ofRank
	var text string
	state := make([]int32, 3) // length of the text, 0 for none; 1 after an interrupt; 1 if it was heard from another rank
	if mine != nil {
		text = cmp.Or(strings.ToValidUTF8(mine.Error()[:min(len(mine.Error()), maxText)], ""), "failed")
		state[0] = int32(len(text))
		if errors.Is(mine, context.Canceled) {
			state[1] = 1
		}
		if errors.As(mine, &told) && told.cause == nil {
			state[2] = 1
		}
	}
	all, err := Gather(w, state)
	if err != nil {
		return untold{errors.Join(mine, err)}
	}
	states := slices.Collect(slices.Chunk(all, len(state)))
	first := slices.IndexFunc(states, func(s []int32) bool { return s[0] > 0 && s[2] == 0 })
	if first < 0 {
		first = slices.IndexFunc(states, func(s []int32) bool { return s[0] > 0 })
	}
	if first < 0 {
		return nil
	}
	said := make([]byte, states[first][0])
	copy(said, text)
	if err := Share(w, said, first); err != nil {
		return untold{errors.Join(mine, err)}
	}
	switch {
	case told != nil, first == w.Rank() && first == 0:
		return mine
	case first == w.Rank():
		return &ofRank{rank: first, text: text, cause: mine}
	}
	return &ofRank{rank: first, text: string(said), interrupted: states[first][1] == 1}
}

// Any tells all ranks whether one of them says yes. Every rank calls it.
func Any(w World, mine bool) (bool, error) {
	if w.Size() == 1 {
		return mine, nil
	}
	yes := []uint8{0}
	if mine {
		yes[0] = 1
	}
	all, err := Gather(w, yes)
	return slices.Contains(all, 1), err
}

// AnyDone tells all ranks whether the context of one of them has ended, so that they stop at the same place.
func AnyDone(ctx context.Context, w World) (bool, error) { return Any(w, ctx.Err() != nil) }
