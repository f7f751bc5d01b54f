package zeroshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// longer repeats the pictures of a set, so that there are several batches.
type longer struct {
	Set
	n, broken int
}

func (l longer) Len() int        { return l.n }
func (l longer) Class(i int) int { return l.Set.Class(i % l.Set.Len()) }
func (l longer) Picture(i int) (*imaging.Picture, error) {
	if i == l.broken {
		return nil, fmt.Errorf("picture %d: %w", i, imaging.ErrCorrupt)
	}
	return l.Set.Picture(i % l.Set.Len())
}

// Classifier, result and ELEVATER's file of any number of ranks are those of one process; a picture that one rank cannot read ends all.
func TestRanksClassifyTheSame(t *testing.T) {
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := model.New(golden.Config(t, "vit"), dev)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := weights.Load(m, m.Config, golden.Open(t, "vit/init.pt")); err != nil {
		t.Fatal(err)
	}
	set := longer{openFixture(t), 150, -1} // 3 batches, and 2 of texts
	type outcome struct {
		classifier *Classifier
		result     *Result
		file       []byte
		texts, at  int // of progress
	}
	evaluate := func(w exchange.World, set Set, labels []string) (o outcome, err error) {
		if o.classifier, err = NewClassifier(t.Context(), w, m, labels, ChineseTemplates, 52, func(done, _ int) { o.texts = done }); err != nil {
			return o, err
		}
		p := NewPredictions("set", m.Config)
		if o.result, err = Classify(t.Context(), w, m, set, o.classifier, nil, p.Record, func(done, _ int) { o.at = done }); err != nil {
			return o, err
		}
		path := filepath.Join(t.TempDir(), "f")
		if err = p.Save(path, nil); err == nil {
			o.file, err = os.ReadFile(path)
		}
		return o, err
	}
	want, err := evaluate(exchange.Alone, set, set.Labels())
	if err != nil || want.at != 150 || want.texts != 100 || bytes.Count(want.file, []byte("], [")) != 149 {
		t.Fatal(want.at, want.texts, err)
	}
	for ranks := 2; ranks <= 4; ranks++ {
		for rank, err := range exchangetest.Everywhere(ranks, func(w exchange.World) error {
			got, err := evaluate(w, set, set.Labels())
			if err == nil && !reflect.DeepEqual(got, want) {
				err = errors.New("another outcome")
			}
			return err
		}) {
			if err != nil {
				t.Errorf("rank %d of %d: %v", rank, ranks, err)
			}
		}
	}
	for name, c := range map[string]struct {
		rank int // that fails
		says string
		run  func(w exchange.World) error
	}{
		"a broken picture": {1, "picture 100", func(w exchange.World) error {
			_, err := evaluate(w, longer{set.Set, 150, 100}, set.Labels())
			return err
		}},
		"other labels": {0, "rank 2 has other labels", func(w exchange.World) error {
			_, err := evaluate(w, set, append([]string{strings.Repeat("猫", 1+w.Rank()/2)}, set.Labels()[1:]...))
			return err
		}},
		"no pictures": {2, "no pictures", func(w exchange.World) error {
			_, err := evaluate(w, longer{set.Set, 150 * (1 - w.Rank()/2), -1}, set.Labels())
			return err
		}},
	} {
		for rank, err := range exchangetest.Everywhere(3, c.run) {
			if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, exchange.ErrElsewhere) != (rank != c.rank) {
				t.Errorf("%s: rank %d: %v", name, rank, err)
			}
		}
	}
}
