package eval

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
)

// without is a set in which some pictures and the texts that are theirs do not exist.
func without(s *many, gone ...int64) *many {
	left := &many{Source: s.Source, broken: -1}
	for i, id := range s.ids {
		if !slices.Contains(gone, id) {
			left.ids, left.texts = append(left.ids, id), append(left.texts, s.texts[i])
		}
	}
	return left
}

// Whatever the number of ranks is, all leave out the same picture, and what is measured is the set without it.
func TestABadPictureIsLeftOut(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 150)
	s.broken = 70
	clean := without(s, 70)
	want, err := Extract(t.Context(), exchange.Alone, m, clean, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Retrieval(want, clean.Texts())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for ranks := 1; ranks <= 3; ranks++ {
		for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error {
			skip := &dataset.Skipped{Budget: 1}
			var said []string
			skip.Say = func(line string) { said = append(said, line) }
			for range 2 { // the second reads the file, and tries the picture again
				f, err := ExtractTo(t.Context(), w, filepath.Join(dir, fmt.Sprint(ranks)), m, "sum", s, 52, skip, nil)
				if err != nil {
					return err
				}
				if !slices.Equal(f.ImageIDs, clean.ids) || len(f.Images) != 149*f.Dim || len(f.TextIDs) != 150 {
					return fmt.Errorf("%d pictures, %d texts", len(f.ImageIDs), len(f.TextIDs))
				}
				got, err := Retrieval(f, s.Texts())
				if err != nil || got.TextToImage != report.TextToImage || got.ImageToText != report.ImageToText || got.Texts != 149 {
					return fmt.Errorf("%+v, want %+v (%v)", got, report, err)
				}
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], "left out: image 70: ") || skip.Count() != 1 {
				return fmt.Errorf("said %q", said)
			}
			row, err := Validate(t.Context(), w, m, s, Validation{ContextLength: 52, BatchSize: 10, Seed: 1, Skip: skip})
			if err == nil && w.Rank() == 0 && (row.LeftOut != 1 || *row.TextToImage != report.TextToImage) || len(said) != 1 {
				err = fmt.Errorf("validation: %+v, said %q", row, said)
			}
			return err
		}) {
			if err != nil {
				t.Errorf("rank %d of %d: %v", rank, ranks, err)
			}
		}
	}
}

// A picture that has been repaired is found by the next extraction, which encodes no other.
func TestARepairedPictureIsAdded(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 150)
	path := filepath.Join(t.TempDir(), "f")
	s.broken = 3
	skip := &dataset.Skipped{Budget: 1}
	if _, err := ExtractTo(t.Context(), exchange.Alone, path, m, "sum", s, 52, skip, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ExtractTo(t.Context(), exchange.Alone, path, m, "sum", s, 52, nil, nil); err == nil || !strings.Contains(err.Error(), "image 3") {
		t.Errorf("every picture is needed, and one is not there: %v", err)
	}
	s.broken = -1
	for _, looks := range []int64{1, 0} {
		s.looked.Store(0)
		f, err := ExtractTo(t.Context(), exchange.Alone, path, m, "sum", s, 52, nil, nil)
		if err != nil || !slices.Equal(f.ImageIDs, s.ids) || s.looked.Load() != looks {
			t.Errorf("%d pictures were read, want %d: %v", s.looked.Load(), looks, err)
		}
	}
}

// Where the budget is spent, all ranks end, and the path is named; so they do where nothing is left.
func TestBudgetOfBadPictures(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 150)
	s.broken = 149
	for _, err := range exchangetest.Everywhere(2, func(w exchange.World) error {
		_, err := Extract(t.Context(), w, m, s, 52, &dataset.Skipped{}, nil)
		return err
	}) {
		if err == nil || !strings.Contains(err.Error(), "image 149") || !strings.Contains(err.Error(), "budget of 0") {
			t.Error(err)
		}
	}
	s.broken, s.ids, s.texts = 5, []int64{5}, s.texts[5:6]
	if _, err := Extract(t.Context(), exchange.Alone, m, s, 52, &dataset.Skipped{Budget: 9}, nil); !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), "none of the 1 pictures") {
		t.Error(err)
	}
}
