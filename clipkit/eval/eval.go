// Package eval measures retrieval: features of a split, recall both ways, and the in-batch figures that the reference logs in training.
//
//	f, err := eval.Extract(ctx, m, split, cfg, progress) // unit vectors of every picture and text
//	rep, err := eval.Retrieval(f, split.Texts())         // R@1, R@5, R@10 and their mean, percent, both directions
//	err = rep.Save("experiments/run/eval/test.json")
//
// Recall@k is the share of queries with at least one right answer among the first k results (SPEC §6.4); equal scores keep file order.
// A text with no picture counts as a miss; a picture with no text is not asked. Texts go through the same preparation as in training
// (SPEC §2.5). It is not the in-batch accuracy, which depends on the batch size.
package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
)

// ErrEmpty is wrapped for a split without pictures or without texts.
var ErrEmpty = errors.New("eval: nothing to evaluate")

// Features are the unit vectors of a split: Images [len(ImageIDs), Dim] in storage order, Texts [len(TextIDs), Dim] in file order.
type Features struct {
	Dim      int
	ImageIDs []int64
	Images   []float32
	TextIDs  []int64
	Texts    []float32
}

// batch is how many samples are decoded ahead of one call of the encoder.
const batch = 64

// Extract encodes every picture and text of a split. progress, when not nil, receives samples done and in all.
// A picture that cannot be decoded is an error: evaluation never leaves one out silently.
func Extract(ctx context.Context, m *model.Model, s dataset.Source, contextLength int, progress func(done, total int)) (*Features, error) {
	ids, texts := s.ImageIDs(), s.Texts()
	if len(ids) == 0 || len(texts) == 0 {
		return nil, fmt.Errorf("%w: %s has %d pictures and %d texts", ErrEmpty, s.Name(), len(ids), len(texts))
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	f := &Features{Dim: m.Config.EmbedDim, ImageIDs: ids}
	total := len(ids) + len(texts)
	for at := 0; at < len(ids); at += batch {
		part := ids[at:min(at+batch, len(ids))]
		pixels, err := decode(s, part, m.Config.ImageResolution)
		if err != nil {
			return nil, fmt.Errorf("evaluating %s: %w", s.Name(), err)
		}
		v, err := m.EncodeImages(ctx, pixels, len(part))
		if err != nil {
			return nil, err
		}
		f.Images = append(f.Images, v...)
		progress(at+len(part), total)
	}
	tok := tokenizer.Default()
	for at := 0; at < len(texts); at += batch {
		part := texts[at:min(at+batch, len(texts))]
		prepared := make([]string, len(part))
		for i, t := range part {
			prepared[i] = tokenizer.Prepare(t.Text)
			f.TextIDs = append(f.TextIDs, t.ID)
		}
		rows, _, err := tok.Tokenize(prepared, contextLength)
		if err != nil {
			return nil, fmt.Errorf("evaluating %s: %w", s.Name(), err)
		}
		v, err := m.EncodeTexts(ctx, rows, len(part))
		if err != nil {
			return nil, err
		}
		f.Texts = append(f.Texts, v...)
		progress(len(ids)+at+len(part), total)
	}
	return f, nil
}

// decode makes [n,3,R,R] on all cores.
func decode(s dataset.Source, ids []int64, resolution int) ([]float32, error) {
	size := 3 * resolution * resolution
	pixels := make([]float32, len(ids)*size)
	errs := make(chan error, len(ids))
	gate := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, id := range ids {
		gate <- struct{}{}
		go func() {
			defer func() { <-gate }()
			encoded, err := s.Image(id)
			if err == nil {
				var x []float32
				if x, err = imaging.Transform(encoded, resolution); err == nil {
					copy(pixels[i*size:], x)
				}
			}
			if err != nil {
				err = fmt.Errorf("picture %d: %w", id, err)
			}
			errs <- err
		}()
	}
	var first error
	for range ids {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return pixels, first
}

// Report is the result of one evaluation, as saved in a run's eval folder.
type Report struct {
	Name        string            `json:"name"`  // "before", "after", …
	Model       string            `json:"model"` // architecture
	Split       string            `json:"split"` // "emoji/test"
	Images      int               `json:"images"`
	Texts       int               `json:"texts"`
	TextToImage experiment.Recall `json:"text_to_image"`
	ImageToText experiment.Recall `json:"image_to_text"`
}

// Retrieval computes recall both ways from features and the texts that say which pictures are theirs.
func Retrieval(f *Features, texts []dataset.Text) (*Report, error) {
	if len(texts) != len(f.TextIDs) {
		return nil, fmt.Errorf("recall: features of %d texts, truth of %d", len(f.TextIDs), len(texts))
	}
	ownImages := make([]map[int64]bool, len(texts)) // by text, in order
	ownTexts := map[int64]map[int64]bool{}          // by picture
	for i, t := range texts {
		ownImages[i] = map[int64]bool{}
		for _, id := range t.ImageIDs {
			ownImages[i][id] = true
			if ownTexts[id] == nil {
				ownTexts[id] = map[int64]bool{}
			}
			ownTexts[id][t.ID] = true
		}
	}
	images, err := index.NewExact(f.Dim, f.ImageIDs, f.Images)
	if err != nil {
		return nil, err
	}
	byText, err := index.NewExact(f.Dim, f.TextIDs, f.Texts)
	if err != nil {
		return nil, err
	}
	t2i, err := images.SearchAll(f.Texts, 10)
	if err != nil {
		return nil, err
	}
	i2t, err := byText.SearchAll(f.Images, 10)
	if err != nil {
		return nil, err
	}
	var asked [][]index.Hit
	var truth []map[int64]bool
	for i, id := range f.ImageIDs {
		if ownTexts[id] != nil {
			asked, truth = append(asked, i2t[i]), append(truth, ownTexts[id])
		}
	}
	return &Report{Images: len(f.ImageIDs), Texts: len(texts), TextToImage: Recall(t2i, ownImages), ImageToText: Recall(asked, truth)}, nil
}

// Recall is the share of queries, in percent, with one of truth[i] among the first 1, 5 and 10 of hits[i], and the mean of the three.
func Recall(hits [][]index.Hit, truth []map[int64]bool) experiment.Recall {
	var at [3]float64
	for i, list := range hits {
		for rank, h := range list {
			if truth[i][h.ID] {
				for j, k := range []int{1, 5, 10} {
					if rank < k {
						at[j]++
					}
				}
				break
			}
		}
	}
	n := float64(max(len(hits), 1)) / 100
	r := experiment.Recall{R1: at[0] / n, R5: at[1] / n, R10: at[2] / n}
	r.Mean = (r.R1 + r.R5 + r.R10) / 3
	return r
}

// Save writes the report as JSON.
func (r *Report) Save(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(b, '\n'))
}

// LoadReport reads what Save wrote.
func LoadReport(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an evaluation: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("reading an evaluation: %s: %w", path, err)
	}
	return r, nil
}
