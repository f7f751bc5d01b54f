package model_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
)

func openEngine(t testing.TB, name string) *device.Device {
	t.Helper()
	dev, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

func randomLevels(m *model.Model, n int) []uint8 {
	rng := rand.New(rand.NewPCG(5, 6))
	levels := make([]uint8, n*3*m.Config.ImageResolution*m.Config.ImageResolution)
	for i := range levels {
		levels[i] = uint8(rng.IntN(256))
	}
	return levels
}

// Features of bytes are those of the normalised values, on XLA, where the graph normalises, and elsewhere, where the host does.
func TestFeaturesOfLevels(t *testing.T) {
	ctx := t.Context()
	for _, engine := range []string{"cpu:xla", "cpu:go", "cpu:onnx"} {
		for _, kind := range []string{"vit", "rn"} {
			t.Run(engine+"/"+kind, func(t *testing.T) {
				m := tiny(t, kind, openEngine(t, engine))
				levels := randomLevels(m, 3)
				values := imaging.NormaliseLevels(levels, 3)
				got, err := m.EncodeLevels(ctx, levels, 3)
				want, err2 := m.EncodeImages(ctx, values, 3)
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				golden.Close(t, "unit features", got, want, 1e-6)
				one := func(yield func(imaging.Batch[uint8], error) bool) {
					yield(imaging.Batch[uint8]{N: 3, Pixels: levels}, nil)
				}
				for b, err := range m.RawBatches(ctx, one) {
					if got = b.Features; err != nil {
						t.Fatal(err)
					}
				}
				if want, err = m.RawImages(ctx, values, 3); err != nil {
					t.Fatal(err)
				}
				golden.Close(t, "features", got, want, 1e-6)
			})
		}
	}
	m := tiny(t, "vit", openEngine(t, "cpu:xla"))
	if _, err := m.EncodeLevels(ctx, make([]uint8, 7), 1); err == nil {
		t.Error("seven levels are a picture")
	}
}

// However many batches the engine has at a time, the features are the same, and the end of the context ends the work.
func TestBatchesInFlight(t *testing.T) {
	m := tiny(t, "vit", openEngine(t, "cpu:xla"))
	const n = 64*3 + 5 // the last batch is padded
	levels := randomLevels(m, n)
	want, err := m.EncodeAhead(t.Context(), levels, n, 1)
	if err != nil || len(want) != n*m.Config.EmbedDim {
		t.Fatal(len(want), err)
	}
	for _, flights := range []int{2, 3, 9} {
		if got, err := m.EncodeAhead(t.Context(), levels, n, flights); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d batches at a time: other features (%v)", flights, err)
		}
		ctx := &endsAfter{Context: t.Context(), asked: 2}
		if _, err := m.EncodeAhead(ctx, levels, n, flights); !errors.Is(err, context.Canceled) {
			t.Errorf("%d batches at a time, stopped: %v", flights, err)
		}
	}
	if got, err := m.EncodeAhead(t.Context(), levels, n, 2); err != nil || !slices.Equal(got, want) {
		t.Errorf("after stops: other features (%v)", err)
	}
}

// The same of texts, which stop where their context does, too.
func TestTextsInFlight(t *testing.T) {
	m := tiny(t, "vit", openEngine(t, "cpu:xla"))
	const n, length = 64*2 + 3, 16
	ids := make([]int32, n*length)
	for i := range ids {
		ids[i] = int32(101 + i%7000)
	}
	want, err := m.EncodeTexts(t.Context(), ids, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, flights := range []int{1, 2, 5} {
		if got, err := m.TextsAhead(t.Context(), ids, n, flights); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d batches at a time: other features (%v)", flights, err)
		}
		if _, err := m.TextsAhead(&endsAfter{Context: t.Context(), asked: 1}, ids, n, flights); !errors.Is(err, context.Canceled) {
			t.Errorf("%d batches at a time, stopped: %v", flights, err)
		}
	}
}

// Batches come in their order with their own features, however many are in flight, also before an error, and a loop that is left early leaves nothing behind.
func TestEncodeBatches(t *testing.T) {
	m := tiny(t, "vit", openEngine(t, "cpu:xla"))
	r := m.Config.ImageResolution
	const n, size = 43, 8
	levels := randomLevels(m, n)
	want, err := m.EncodeLevels(t.Context(), levels, n)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("a damaged picture")
	batches := func(ctx context.Context, damaged int) iter.Seq2[imaging.Batch[uint8], error] {
		return imaging.Batches(ctx, n, size, r, func(i int) ([]uint8, error) {
			if i == damaged {
				return nil, broken
			}
			return levels[i*3*r*r : (i+1)*3*r*r], nil
		})
	}
	for _, flights := range []int{1, 2, 4, 50} {
		var got []float32
		for b, err := range m.BatchesAhead(t.Context(), batches(t.Context(), -1), flights) {
			if err != nil || b.First*m.Config.EmbedDim != len(got) {
				t.Fatalf("%d in flight: batch at %d: %v", flights, b.First, err)
			}
			got = append(got, b.Features...)
		}
		golden.Close(t, "features", got, want, 1e-6) // of other batches, so of other graphs
		whole, last := 0, error(nil)
		for b, err := range m.BatchesAhead(t.Context(), batches(t.Context(), 30), flights) {
			if last = err; err == nil {
				whole += b.N
			}
		}
		if whole != 24 || !errors.Is(last, broken) {
			t.Errorf("%d in flight: %d pictures before the damaged one, then %v", flights, whole, last)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, last = range m.BatchesAhead(ctx, batches(ctx, -1), flights) {
			cancel()
		}
		if flights < n/size && !errors.Is(last, context.Canceled) { // else all are begun before the first one's features come
			t.Errorf("%d in flight, stopped: %v", flights, last)
		}
		for range m.BatchesAhead(t.Context(), batches(t.Context(), -1), flights) {
			break
		}
	}
}

// endsAfter is a context that has ended when it was asked so often.
type endsAfter struct {
	context.Context
	asked int
}

func (c *endsAfter) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}
