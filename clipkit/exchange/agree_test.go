package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"

	"golang.org/x/sync/errgroup"
)

var errData = errors.New("no data")

// onRanks has every rank of a world do the same.
func onRanks(t *testing.T, n int, do func(exchange.World) error) {
	t.Helper()
	var g errgroup.Group
	for _, w := range exchangetest.Threads(n) {
		g.Go(func() error { return do(w) })
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// All ranks go on or none, and one of them shows why.
func TestAgree(t *testing.T) {
	for _, c := range []struct {
		failing map[int]bool
		first   int
	}{{nil, -1}, {map[int]bool{0: true, 1: true, 2: true}, 0}, {map[int]bool{2: true}, 2}, {map[int]bool{1: true, 2: true}, 1}} {
		onRanks(t, 3, func(w exchange.World) error {
			var mine error
			if c.failing[w.Rank()] {
				mine = fmt.Errorf("opening: %w", errData)
			}
			got := exchange.Agree(w, mine)
			if isFirst := w.Rank() == c.first; errors.Is(got, errData) != isFirst || errors.Is(got, exchange.ErrElsewhere) != (c.first >= 0 && !isFirst) {
				t.Errorf("%v, rank %d: %v", c.failing, w.Rank(), got)
			}
			return nil
		})
	}
	if err := exchange.Agree(exchange.Alone, errData); err != errData {
		t.Error(err)
	}
}

// What was agreed on stays so, however often it is: one rank has the cause, and every one the text, with one "rank 2"; an interrupt stays one.
func TestAgreeTwice(t *testing.T) {
	for first := range 3 {
		for _, cause := range []error{errData, context.Canceled} {
			onRanks(t, 3, func(w exchange.World) error {
				var mine error
				if w.Rank() == first {
					mine = fmt.Errorf("opening: %w", cause)
				}
				got := exchange.Agree(w, fmt.Errorf("training: %w", exchange.Agree(w, mine)))
				if errors.Is(got, cause) != (w.Rank() == first || cause == context.Canceled) || errors.Is(got, exchange.ErrElsewhere) != (w.Rank() != first) {
					t.Errorf("rank %d of %d: %v", w.Rank(), first, got)
				}
				if want := fmt.Sprintf("training: rank %d: opening: %v", first, cause); got.Error() != want && w.Rank()+first > 0 {
					t.Errorf("rank %d: %v, want %v", w.Rank(), got, want)
				}
				return nil
			})
		}
	}
	long := errors.New(strings.Repeat("长", 5000))
	onRanks(t, 2, func(w exchange.World) error {
		got := exchange.Agree(w, []error{nil, long}[w.Rank()])
		if w.Rank() == 0 && (len(got.Error()) < 4000 || len(got.Error()) > 4200 || !utf8.ValidString(got.Error())) {
			t.Errorf("%d bytes travelled", len(got.Error()))
		}
		return nil
	})
}

// One rank's yes is that of all, and so is the end of its context.
func TestAny(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	for _, yes := range []map[int]bool{nil, {0: true}, {2: true}, {0: true, 1: true, 2: true}} {
		onRanks(t, 3, func(w exchange.World) error {
			ctx := context.Background()
			if yes[w.Rank()] {
				ctx = ended
			}
			any, err := exchange.Any(w, yes[w.Rank()])
			done, err2 := exchange.AnyDone(ctx, w)
			if any != (yes != nil) || done != any {
				t.Errorf("%v, rank %d: %v and %v", yes, w.Rank(), any, done)
			}
			return errors.Join(err, err2)
		})
	}
	if done, err := exchange.AnyDone(ended, exchange.Alone); !done || err != nil {
		t.Error(done, err)
	}
}

func TestCores(t *testing.T) {
	onRanks(t, 2, func(w exchange.World) error {
		n, err := exchange.Cores(w)
		if want := max(1, runtime.NumCPU()/2); n != want {
			t.Errorf("rank %d has %d cores, want %d", w.Rank(), n, want)
		}
		return err
	})
	if n, err := exchange.Cores(exchange.Alone); n != runtime.NumCPU() || err != nil {
		t.Error(n, err)
	}
}
