// Package datasettest is the conformance suite of dataset sources: a new kind of source is done when it passes.
//
//	func TestLMDB(t *testing.T) {
//		datasettest.Test(t, func(t *testing.T) dataset.Source { … })
//	}
//
// For tests of what reads sources there is one in memory ([Memory]).
package datasettest

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"clipnb/clipkit/dataset"
)

// Test checks the promises of dataset.Source. open returns a fresh, equal source each time; Test closes it.
func Test(t *testing.T, open func(t *testing.T) dataset.Source) {
	t.Run("Images", func(t *testing.T) { testImages(t, opened(t, open)) })
	t.Run("Texts", func(t *testing.T) { testTexts(t, opened(t, open)) })
	t.Run("Pairs", func(t *testing.T) { testPairs(t, opened(t, open)) })
	t.Run("Reopen", func(t *testing.T) { testReopen(t, opened(t, open), opened(t, open)) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, opened(t, open)) })
	t.Run("CloseTwice", func(t *testing.T) {
		s := open(t)
		if first, second := s.Close(), s.Close(); first != nil || second != nil {
			t.Errorf("Close: %v, then %v", first, second)
		}
	})
}

func opened(t *testing.T, open func(t *testing.T) dataset.Source) dataset.Source {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func testImages(t *testing.T, s dataset.Source) {
	if s.Name() == "" {
		t.Error("Name is empty")
	}
	ids := s.ImageIDs()
	if len(ids) == 0 {
		t.Fatal("no images")
	}
	seen := make(map[int64]bool)
	for _, id := range ids {
		if seen[id] {
			t.Errorf("image id %d is listed twice", id)
		}
		seen[id] = true
		first, err := s.Image(id)
		if err != nil {
			t.Fatalf("image %d: %v", id, err)
		}
		if len(first) == 0 {
			t.Fatalf("image %d has no bytes", id)
		}
		kept := bytes.Clone(first)
		clear(first) // the bytes are the caller's
		if again, err := s.Image(id); err != nil || !bytes.Equal(again, kept) {
			t.Errorf("image %d differs when it is read again (error %v)", id, err)
		}
	}
	unknown := slices.Max(ids) + 1
	if _, err := s.Image(unknown); !errors.Is(err, dataset.ErrNotFound) {
		t.Errorf("image %d is not listed: error %v, want ErrNotFound", unknown, err)
	}
}

func testTexts(t *testing.T, s dataset.Source) {
	images := make(map[int64]bool)
	for _, id := range s.ImageIDs() {
		images[id] = true
	}
	seen := make(map[int64]bool)
	for _, text := range s.Texts() {
		if seen[text.ID] {
			t.Errorf("text id %d is listed twice", text.ID)
		}
		seen[text.ID] = true
		for _, id := range text.ImageIDs {
			if !images[id] {
				t.Errorf("text %d: image %d is not in ImageIDs", text.ID, id)
			}
		}
	}
	if len(seen) == 0 {
		t.Error("no texts")
	}
}

func testPairs(t *testing.T, s dataset.Source) {
	pairs := dataset.Pairs(s)
	i := 0
	for _, text := range s.Texts() {
		for _, id := range text.ImageIDs {
			want := dataset.Pair{ImageID: id, TextID: text.ID, Text: text.Text}
			if i >= len(pairs) || pairs[i] != want {
				t.Fatalf("pair %d is not %v", i, want)
			}
			i++
		}
	}
	if i != len(pairs) {
		t.Errorf("%d pairs, want %d", len(pairs), i)
	}
}

func testReopen(t *testing.T, a, b dataset.Source) {
	if a.Name() != b.Name() || !slices.Equal(a.ImageIDs(), b.ImageIDs()) || !slices.Equal(dataset.Pairs(a), dataset.Pairs(b)) {
		t.Error("two openings of the same source differ in name, image ids or pairs")
	}
}

// testConcurrent is at its best under -race.
func testConcurrent(t *testing.T, s dataset.Source) {
	ids := s.ImageIDs()
	want, err := s.Image(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range min(len(ids), 50) {
				if _, err := s.Image(ids[(i+worker)%len(ids)]); err != nil {
					t.Errorf("image %d: %v", ids[(i+worker)%len(ids)], err)
				}
			}
			if got, err := s.Image(ids[0]); err != nil || !bytes.Equal(got, want) {
				t.Errorf("image %d differs under concurrent reads (error %v)", ids[0], err)
			}
		})
	}
	wg.Wait()
}
