package imaging

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// numbered is a picture of 1 × 1 that tells its number.
func numbered(i int) ([]float32, error) { return []float32{float32(i), float32(-i), 0.5}, nil }

func TestBatchesKeepTheOrder(t *testing.T) {
	for _, n := range []int{0, 1, 4, 5, 23} {
		var pixels []float32
		next := 0
		for b, err := range Batches(t.Context(), n, 4, 1, numbered) {
			if err != nil || b.First != next || b.N != min(4, n-next) || len(b.Pixels) != 3*b.N {
				t.Fatalf("of %d pictures: First %d, N %d, %d values, error %v; want First %d", n, b.First, b.N, len(b.Pixels), err, next)
			}
			next += b.N
			pixels = append(pixels, b.Pixels...)
		}
		var want []float32
		for i := range n {
			picture, _ := numbered(i)
			want = append(want, picture...)
		}
		if !slices.Equal(pixels, want) {
			t.Errorf("%d pictures became %v", n, pixels)
		}
	}
}

// Whichever worker is first, the error is that of the first bad picture, and the batches before it are given.
func TestBatchesGiveTheFirstError(t *testing.T) {
	bad := errors.New("bad")
	for range 100 {
		given := 0
		var last error
		for b, err := range Batches(t.Context(), 40, 8, 1, func(i int) ([]float32, error) {
			if i >= 19 {
				return nil, fmt.Errorf("picture %d: %w", i, bad)
			}
			return numbered(i)
		}) {
			if last = err; err == nil {
				given += b.N
			}
		}
		if given != 16 || !errors.Is(last, bad) || last.Error() != "picture 19: bad" {
			t.Fatalf("%d pictures, then %v; want 16, then that of picture 19", given, last)
		}
	}
}

// However long a batch is in use, no more than three are prepared.
func TestBatchesBoundTheirMemory(t *testing.T) {
	var prepared atomic.Int64
	used := int64(0)
	for b, err := range Batches(t.Context(), 1000, 5, 1, func(i int) ([]float32, error) { prepared.Add(1); return numbered(i) }) {
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			runtime.Gosched()
		}
		if ahead := prepared.Load() - used; ahead > 3*5 {
			t.Fatalf("%d pictures are prepared while picture %d is in use", ahead, b.First)
		}
		used += int64(b.N)
	}
}

// A loop that is left early, and a context that ends, stop the workers before the loop is over.
func TestBatchesStop(t *testing.T) {
	var running atomic.Int64
	prepare := func(i int) ([]float32, error) {
		running.Add(1)
		defer running.Add(-1)
		runtime.Gosched()
		return numbered(i)
	}
	for range Batches(t.Context(), 1000, 5, 1, prepare) {
		break
	}
	if n := running.Load(); n != 0 {
		t.Errorf("%d pictures are still being prepared", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range Batches(ctx, 1000, 5, 1, prepare) {
		cancel()
		last = err
	}
	if n := running.Load(); n != 0 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d pictures are still being prepared, and the last error is %v", n, last)
	}
}

func TestEachTurnsPanicsIntoErrors(t *testing.T) {
	err := Each(t.Context(), 3, func(i int) error {
		if i == 1 {
			panic("index out of range")
		}
		return nil
	})
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "picture 1: panic: index out of range") {
		t.Error(err)
	}
	for _, err := range Batches(t.Context(), 1, 1, 2, numbered) {
		if err == nil || !strings.Contains(err.Error(), "3 values, want [3, 2, 2]") {
			t.Error(err)
		}
	}
}
