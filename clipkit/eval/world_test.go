package eval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/index"
)

// The features of any number of ranks are those of one process, and rank 0 writes its file, to the byte. Seven ranks are more than there are batches.
func TestRanksExtractTheSame(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 321) // 6 batches of pictures, 1 of texts
	dir := t.TempDir()
	one := filepath.Join(dir, "one")
	want, err := ExtractTo(t.Context(), exchange.Alone, one, m, "sum", s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	bytesOfOne, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	for _, ranks := range []int{2, 3, 4, 7} {
		path := filepath.Join(dir, fmt.Sprint(ranks))
		s.looked.Store(0)
		for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error {
			to, before := path, 0
			if w.Rank() > 0 {
				to = filepath.Join(dir, "no disk of mine", "f")
			}
			got, err := ExtractTo(t.Context(), w, to, m, "sum", s, 52, nil, func(done, total int) {
				if done <= before || total != 642 {
					t.Errorf("%d of %d after %d", done, total, before)
				}
				before = done
			})
			if err == nil && (before != 642 || !slices.Equal(got.Images, want.Images) || !slices.Equal(got.Texts, want.Texts)) {
				return fmt.Errorf("other features; progress ended at %d", before)
			}
			return err
		}) {
			if err != nil {
				t.Errorf("rank %d of %d: %v", rank, ranks, err)
			}
		}
		if looked := s.looked.Load(); looked != 321 {
			t.Errorf("%d ranks decoded %d pictures, want each of 321 once", ranks, looked)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, bytesOfOne) {
			t.Errorf("%d ranks wrote another file: %v", ranks, err)
		}
		for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error { // the finished file is only read, by rank 0
			got, err := ExtractTo(t.Context(), w, path+strings.Repeat("/none", w.Rank()), m, "sum", s, 52, nil, func(int, int) { t.Error("extracted again") })
			if err == nil && (!slices.Equal(got.Images, want.Images) || !slices.Equal(got.Texts, want.Texts)) {
				err = errors.New("other features")
			}
			return err
		}) {
			if err != nil {
				t.Errorf("reading as rank %d of %d: %v", rank, ranks, err)
			}
		}
	}
}

// An extraction that is stopped continues on another number of ranks, after the last batch that rank 0 has stored.
func TestExtractionContinuesOnOtherRanks(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 530) // 9 batches of pictures, 2 of texts
	dir := t.TempDir()
	want, err := ExtractTo(t.Context(), exchange.Alone, filepath.Join(dir, "one"), m, "sum", s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, stored := filepath.Join(dir, "f"), 0
	for _, part := range []struct{ ranks, stop int }{{3, 100}, {1, 200}, {2, 300}, {4, 2000}} { // stopped after stop samples
		s.looked.Store(0)
		for rank, err := range exchangetest.Everywhere(part.ranks, func(w exchange.World) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got, err := ExtractTo(ctx, w, path, m, "sum", s, 52, nil, func(done, _ int) {
				if done >= part.stop && w.Rank() == w.Size()-1 { // one rank is interrupted
					cancel()
				}
			})
			if err == nil && (!slices.Equal(got.Images, want.Images) || !slices.Equal(got.Texts, want.Texts)) {
				err = errors.New("other features")
			}
			return err
		}) {
			if part.stop < 1060 && !errors.Is(err, context.Canceled) || part.stop > 1060 && err != nil {
				t.Errorf("rank %d of %d: %v", rank, part.ranks, err)
			}
		}
		if part.stop > 1060 {
			break
		}
		f, err := newFeatures(want.Dim, s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := openPart(path+".part", OriginOf(m, "sum", s, 52), f)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		if stored = len(f.Images) / f.Dim; stored < part.stop || stored > part.stop+64*part.ranks {
			t.Errorf("%d pictures were stored by %d ranks that were stopped after %d", stored, part.ranks, part.stop)
		}
	}
	one, err := os.ReadFile(filepath.Join(dir, "one"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, one) {
		t.Errorf("another file: %v", err)
	}
	if looked := s.looked.Load(); looked != int64(530-stored) {
		t.Errorf("%d pictures were decoded after %d of 530 had been stored", looked, stored)
	}
}

// What one rank cannot do ends all of them. The rank that failed says why, and the others whose failure it was.
func TestOneRankFails(t *testing.T) {
	m, small := tiny(t), fixtureSplit(t, "test")
	dir := t.TempDir()
	for name, c := range map[string]struct {
		rank int // that fails
		says string
		run  func(w exchange.World) error
	}{
		"a broken picture": {1, "image 70", func(w exchange.World) error {
			s := manyOf(fixtureSplit(t, "train"), 150)
			s.broken = 70
			_, err := Extract(t.Context(), w, m, s, 52, nil, nil)
			return err
		}},
		"a broken picture of the last batch": {2, "image 149", func(w exchange.World) error {
			s := manyOf(fixtureSplit(t, "train"), 150)
			s.broken = 149
			_, err := ExtractTo(t.Context(), w, filepath.Join(dir, "broken"), m, "sum", s, 52, nil, nil)
			return err
		}},
		"no place to write": {0, "no such folder", func(w exchange.World) error {
			_, err := ExtractTo(t.Context(), w, filepath.Join(dir, "no such folder", "f"), m, "sum", small, 52, nil, nil)
			return err
		}},
		"no data": {1, "nothing to evaluate", func(w exchange.World) error {
			s := manyOf(small, 70*(1-w.Rank()%2))
			_, err := Extract(t.Context(), w, m, s, 52, nil, nil)
			return err
		}},
		"other data": {0, "rank 2 has other pictures or captions", func(w exchange.World) error {
			_, err := Extract(t.Context(), w, m, manyOf(small, 70+w.Rank()/2), 52, nil, nil)
			return err
		}},
		"other weights": {0, "rank 1 has other weights", func(w exchange.World) error {
			_, err := ExtractTo(t.Context(), w, filepath.Join(dir, "weights"), m, fmt.Sprint("sum", w.Rank()%2), small, 52, nil, nil)
			return err
		}},
	} {
		for rank, err := range exchangetest.Everywhere(3, c.run) {
			if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, exchange.ErrElsewhere) != (rank != c.rank) {
				t.Errorf("%s: rank %d: %v", name, rank, err)
			}
		}
	}
	for name := range map[string]bool{"broken": true, "weights": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was written: %v", name, err)
		}
	}
}

// The validation of R ranks of the reference, whatever ranks compute it: the batches of each, summed and divided by all pairs, the repeated ones among them.
func TestValidateCountsTheReferencesRanks(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 50)
	f, err := Extract(t.Context(), exchange.Alone, m, s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	scale, err := m.LogitScale()
	if err != nil {
		t.Fatal(err)
	}
	logit := func(image, text int) (dot float64) { // ids are rows here
		for k := range f.Dim {
			dot += float64(f.Images[image*f.Dim+k]) * float64(f.Texts[text*f.Dim+k])
		}
		return scale * dot
	}
	const batch = 8
	for _, ranks := range []int{0, 1, 2, 3, 4, 8} {
		var loss, i2t, t2i, n float64
		for rank := range max(ranks, 1) {
			for part := range slices.Chunk(dataset.Order(5, 0, 50, batch, max(ranks, 1), rank), batch) {
				for at, own := range part {
					var row, column float64
					hitRow, hitColumn := 1., 1.
					for j, other := range part { // of equal logits the first wins
						row, column = row+math.Exp(logit(own, other)), column+math.Exp(logit(other, own))
						if l := logit(own, other); l > logit(own, own) || l == logit(own, own) && j < at {
							hitRow = 0
						}
						if l := logit(other, own); l > logit(own, own) || l == logit(own, own) && j < at {
							hitColumn = 0
						}
					}
					loss += (math.Log(row)+math.Log(column))/2 - logit(own, own)
					i2t, t2i, n = i2t+hitRow, t2i+hitColumn, n+1
				}
			}
		}
		if want := math.Ceil(50/float64(batch*max(ranks, 1))) * float64(batch*max(ranks, 1)); n != want {
			t.Fatalf("%d ranks validate %v pairs, want %v", ranks, n, want)
		}
		rep, err := Retrieval(f, s.Texts())
		if err != nil {
			t.Fatal(err)
		}
		var first experiment.Row
		for processes := 1; processes <= 3; processes++ {
			rows := make([]experiment.Row, processes)
			for rank, err := range exchangetest.Everywhere(processes, func(w exchange.World) (err error) {
				rows[w.Rank()], err = Validate(t.Context(), w, m, s, Validation{ContextLength: 52, BatchSize: batch, Ranks: ranks, Seed: 5})
				return err
			}) {
				row := rows[rank]
				if rank > 0 { // rank 0's counts
					if err != nil || row != (experiment.Row{}) {
						t.Errorf("process %d of %d: %+v, %v", rank, processes, row, err)
					}
					continue
				}
				if err != nil || math.Abs(row.Loss-loss/n) > 1e-5 || row.ImageToTextAcc != 100*i2t/n || row.TextToImageAcc != 100*t2i/n {
					t.Errorf("%d ranks on process %d of %d: loss %v, %v and %v; want %v, %v and %v; %v", ranks, rank, processes,
						row.Loss, row.ImageToTextAcc, row.TextToImageAcc, loss/n, 100*i2t/n, 100*t2i/n, err)
					continue
				}
				if processes == 1 {
					first = row
				}
				if *row.TextToImage != rep.TextToImage || *row.ImageToText != rep.ImageToText || row.Loss != first.Loss {
					t.Errorf("process %d of %d: %+v", rank, processes, row)
				}
			}
		}
	}
	for rank, err := range exchangetest.Everywhere(2, func(w exchange.World) error { // rank 0 alone measures, and what it refuses ends all
		hidden := manyOf(s, 50)
		for i := range hidden.texts {
			hidden.texts[i].ImageIDs = nil
		}
		_, err := Validate(t.Context(), w, m, hidden, Validation{ContextLength: 52, BatchSize: batch})
		return err
	}) {
		if err == nil || errors.Is(err, ErrHidden) != (rank == 0) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

// The vectors that an index asks for, in pieces of a batch for each rank, are those that it gets a batch at a time from one process.
func TestRanksEncodeTheSameForAnIndex(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 600)
	for i := range s.texts { // lengths that differ, so that it shows if other texts were encoded together
		s.texts[i].Text = strings.Repeat(s.texts[i].Text, 1+i%3)
	}
	ctx := t.Context()
	encode := func(w exchange.World, at, end int) (images, texts []float32, err error) {
		if images, err = EncodePictures(ctx, w, m, s, s.ids[at:end], nil); err == nil {
			texts, err = EncodeCaptions(ctx, w, m, s.texts[at:end], 52)
		}
		return images, texts, err
	}
	var images, texts []float32
	for at := 0; at < 600; at += index.BuildBatch {
		i, x, err := encode(exchange.Alone, at, min(at+index.BuildBatch, 600))
		if err != nil {
			t.Fatal(err)
		}
		images, texts = append(images, i...), append(texts, x...)
	}
	for rank, err := range exchangetest.Everywhere(3, func(w exchange.World) error {
		i, x, err := encode(w, 0, 600)
		if err == nil && (!slices.Equal(i, images) || !slices.Equal(x, texts)) {
			err = errors.New("other vectors")
		}
		return err
	}) {
		if err != nil {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}
