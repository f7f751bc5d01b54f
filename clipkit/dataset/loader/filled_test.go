package loader

import (
	"slices"
	"testing"
)

// Batches in parts are the batches: 35 pairs fill nine batches of 4, on one rank and on two, and batches of 2 would be filled up otherwise.
func TestPartsOfABatchAreTheBatch(t *testing.T) {
	s := toy{n: 35}
	for _, world := range []int{1, 2} {
		cfg := config()
		cfg.World, cfg.BatchSize, cfg.Shuffle = world, 4, true
		whole := readAll(t, s, cfg)
		cfg.BatchSize, cfg.Accum, cfg.Filled = 2, 2, 4
		parts := readAll(t, s, cfg)
		if len(parts) != len(whole) || len(whole) != (35+4*world-1)/(4*world) {
			t.Fatalf("%d steps in parts, %d whole", len(parts), len(whole))
		}
		for step, b := range whole {
			if p := parts[step]; !slices.Equal(p.Pairs, b.Pairs) || !slices.Equal(p.Images, b.Images) || !slices.Equal(p.IDs, b.IDs) {
				t.Errorf("of %d ranks step %d: pairs %v, want %v", world, step, p.Pairs, b.Pairs)
			}
		}
	}
	cfg := config()
	cfg.BatchSize, cfg.Filled = 2, 3
	if _, err := New(t.Context(), s, cfg); err == nil {
		t.Error("batches of 2 make no batch of 3")
	}
}
