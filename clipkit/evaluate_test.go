package clipkit_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// few is the beginning of a split: its first pictures and their texts.
type few struct {
	dataset.Source
	n       int
	decoded atomic.Int64
	hidden  bool
}

func (s *few) ImageIDs() []int64 { return s.Source.ImageIDs()[:s.n] }

func (s *few) Texts() (texts []dataset.Text) {
	known := map[int64]bool{}
	for _, id := range s.ImageIDs() {
		known[id] = true
	}
	for _, t := range s.Source.Texts() {
		if len(t.ImageIDs) == 1 && known[t.ImageIDs[0]] {
			if s.hidden {
				t.ImageIDs = []int64{}
			}
			texts = append(texts, t)
		}
	}
	return texts
}

func (s *few) Image(id int64) ([]byte, error) {
	s.decoded.Add(1)
	return s.Source.Image(id)
}

// Kept features are read by the next evaluation, and the reference's files agree with the report.
func TestEvaluateRetrievalKeepsFeaturesAndFiles(t *testing.T) {
	root := inFreshRoot(t)
	m, split := load(t, "emoji"), &few{Source: emoji(t).Test, n: 12}
	files := filepath.Join(root, "files")
	first, err := clipkit.EvaluateRetrieval(ctx, m, split, clipkit.Keep("a"), clipkit.ReferenceFiles(files))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(root, "experiments", "a", "eval", "emoji-test-*.features.safetensors"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	split.decoded.Store(0)
	again, err := clipkit.EvaluateRetrieval(ctx, m, split, clipkit.Keep("a"))
	if err != nil || *again != *first || split.decoded.Load() != 0 {
		t.Errorf("%+v, %v, %d pictures decoded; before %+v", again, err, split.decoded.Load(), first)
	}
	t2i, err := eval.Score(filepath.Join(files, "test_texts.jsonl"), filepath.Join(files, "test_predictions.jsonl"), eval.TextToImage)
	if err != nil || t2i != first.TextToImage {
		t.Errorf("%+v, %v, want %+v", t2i, err, first.TextToImage)
	}
	i2t, err := eval.Score(filepath.Join(files, "test_texts.tr.jsonl"), filepath.Join(files, "test_tr_predictions.jsonl"), eval.ImageToText)
	if err != nil || i2t != first.ImageToText {
		t.Errorf("%+v, %v, want %+v", i2t, err, first.ImageToText)
	}

	// Hidden answers leave predictions to hand in, and say so.
	hidden := &few{Source: split.Source, n: 12, hidden: true}
	files = filepath.Join(root, "hidden")
	if _, err := clipkit.EvaluateRetrieval(ctx, m, hidden, clipkit.ReferenceFiles(files, 3)); !errors.Is(err, eval.ErrHidden) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(files, "test_predictions.jsonl")); err != nil {
		t.Error(err)
	}
}
