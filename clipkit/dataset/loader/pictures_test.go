package loader

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
	"clipnb/clipkit/imaging"
)

// TestBadPicturesInTraining are real pictures that are not sound. Within the budget each is passed over and told of; beyond it the error
// names picture and caption and what to do.
// fault 12
func TestBadPicturesInTraining(t *testing.T) {
	good := datasettest.Pictures(4)
	for name, c := range map[string]struct{ data, want string }{
		"cut off in the middle":   {good[2][:len(good[2])/2], "damaged picture"},
		"cut off near the end":    {good[2][:len(good[2])-30], "damaged picture"},
		"a page of HTML":          {"<!DOCTYPE html><title>404</title>", "not a picture format that can be read"},
		"a header of a huge one":  {good[2][:16] + "\x00\x01\x00\x00\x00\x01\x00\x00" + good[2][24:], "damaged picture"},
		"nothing but a signature": {good[2][:8], "damaged picture"},
	} {
		pictures := map[int64]string{1: good[1], 2: c.data, 3: good[3], 4: good[4]}
		s := datasettest.Memory(datasettest.Captions("红色的猫", "蓝色的狗", "绿色的鱼", "黄色的鸟"), pictures)
		cfg := Config{BatchSize: 4, Resolution: 32, Workers: 1, Transform: func(ctx context.Context, encoded []byte, _ *rand.Rand) ([]float32, error) {
			return imaging.TransformContext(ctx, encoded, 32)
		}}
		var skipped []string
		cfg.SkipBudget, cfg.OnSkip = 1, func(p dataset.Pair, err error) { skipped = append(skipped, p.Text+": "+err.Error()) }
		if b := readAll(t, s, cfg)[0]; b.Pairs[1] == 1 || len(skipped) != 1 || !strings.HasPrefix(skipped[0], "蓝色的狗: ") || !strings.Contains(skipped[0], c.want) {
			t.Errorf("%s: pairs %v, skipped %q, want %q", name, b.Pairs, skipped, c.want)
		}
		cfg.SkipBudget, cfg.OnSkip = 0, nil
		l, err := New(context.Background(), s, cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Next()
		l.Close()
		for _, want := range []string{"pair 1 of given (image 2, text 2)", c.want, "repair them or take them out (package dataset/check finds them), or raise the budget"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
	}
}

// TestFewPairs has fewer pairs than a batch: the loader goes round. Package dataset/check says so before.
// fault 20
func TestFewPairs(t *testing.T) {
	s := datasettest.Memory(datasettest.Captions("红色的猫", "蓝色的狗", "绿色的鱼"), datasettest.Pictures(3))
	cfg := config()
	cfg.BatchSize, cfg.Shuffle, cfg.Transform = 8, false, func(context.Context, []byte, *rand.Rand) ([]float32, error) { return make([]float32, 12), nil }
	batches := readAll(t, s, cfg)
	if want := []int{0, 1, 2, 0, 1, 2, 0, 1}; len(batches) != 1 || !slices.Equal(batches[0].Pairs, want) {
		t.Errorf("batches %v, want one of pairs %v", batches, want)
	}
}

// TestLevels: batches of bytes are those of floats before they are normalised, at a quarter of the memory.
func TestLevels(t *testing.T) {
	s := datasettest.Memory(datasettest.Captions("红色的猫", "蓝色的狗", "绿色的鱼", "黄色的鸟"), datasettest.Pictures(4))
	for _, accum := range []int{1, 2} {
		cfg := Config{BatchSize: 2, Accum: accum, Resolution: 32, Workers: 2, Shuffle: true, Transform: func(ctx context.Context, encoded []byte, rng *rand.Rand) ([]float32, error) {
			return imaging.Reference.TransformContext(ctx, encoded, 32, rng)
		}}
		want := readAll(t, s, cfg)
		cfg.Levels = func(ctx context.Context, encoded []byte, rng *rand.Rand) ([]uint8, error) {
			return imaging.Reference.TransformLevels(ctx, encoded, 32, rng)
		}
		for i, b := range readAll(t, s, cfg) {
			if b.Images != nil || !slices.Equal(imaging.NormaliseLevels(b.Levels, len(b.Pairs)), want[i].Images) || !slices.Equal(b.IDs, want[i].IDs) {
				t.Errorf("accum %d: batch %d is another", accum, i)
			}
		}
	}
	cfg := Config{BatchSize: 2, Resolution: 32, Levels: func(context.Context, []byte, *rand.Rand) ([]uint8, error) { return make([]uint8, 5), nil }}
	l, err := New(t.Context(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), "5 values, want [3, 32, 32]") {
		t.Errorf("levels of another size: %v", err)
	}
}
