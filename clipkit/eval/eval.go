// Package eval measures retrieval: features of a split, exact top-k, recall both ways, and the in-batch figures that the reference logs in
// training. Zero-shot classification is package zeroshot's.
//
//	f, err := eval.Extract(ctx, w, m, split, length, skip, progress)              // unit vectors of every picture and text
//	f, err = eval.ExtractTo(ctx, w, path, m, sum, split, length, skip, progress)  // the same, kept in a file; a killed one continues
//	rep, err := eval.Retrieval(f, split.Texts())                            // R@1, R@5, R@10 and their mean, percent, both directions
//	err = rep.Save("experiments/run/eval/test.json")
//	list, err := eval.TopK(ctx, f, eval.TextToImage, 10, nil)               // for the reference's prediction files
//	recall, err := eval.Score(truth, predictions, eval.TextToImage)         // the reference's scorer, with its errors
//
// Recall@k is the share of queries with at least one right answer among the first k results (cn_clip/eval/evaluation.py:94); equal scores keep
// file order. A text with no picture counts as a miss; a picture with no text is not asked. Texts go through the same preparation as in
// training (cn_clip/eval/data.py:23). It is not the in-batch accuracy, which depends on the batch size (InBatch, Validate).
//
// # Ranks
//
// w is exchange.Alone, or the ranks of a run: they share the batches, as package deal says, and each of them gets the whole. What is computed does
// not depend on their number, nor do files, which rank 0 alone writes.
//
// # Pictures that cannot be read
//
// They are left out within a budget, and listed ([dataset.Skipped]): recall is then that of the set without them and without the texts that are theirs
// alone, and a report counts them. The reference's files need every picture, so its tools take no budget (nil). All ranks leave out the same.
//
// # Files
//
// Features are kept as safetensors with their Origin (Save, LoadFeatures), which decides whether they may be used again. The reference's
// lines of features, predictions and truth, and its score file, are written byte for byte as it writes them (WriteVectors, WriteRetrieved,
// Invert, WriteScore), except that a model's last digits are its own.
//
// # Limits on outside bytes
//
// A line has at most 1 MiB; ids are integers and may not repeat, values must be finite; a file of features is checked before use in every type,
// shape and offset.
package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
)

// ErrEmpty is wrapped for a split without pictures or without texts, ErrHidden for one whose answers are not known.
var (
	ErrEmpty  = errors.New("eval: nothing to evaluate")
	ErrHidden = errors.New("eval: the answers are hidden")
)

// Report is the result of one evaluation, as saved in a run's eval folder.
type Report struct {
	Name        string            `json:"name"`  // "before", "after", …
	Model       string            `json:"model"` // architecture
	Split       string            `json:"split"` // "emoji/test"
	Images      int               `json:"images"`
	Texts       int               `json:"texts"`
	TextToImage experiment.Recall `json:"text_to_image"` // every text is asked
	ImageToText experiment.Recall `json:"image_to_text"`

	ImagesAsked     int     `json:"images_asked"`      // pictures that have a text
	TextMedianRank  float64 `json:"text_median_rank"`  // of the first right picture, over the texts that have one
	ImageMedianRank float64 `json:"image_median_rank"` // of the first right text

	LeftOut int `json:"left_out,omitempty"` // pictures that cannot be read: they are in none of the figures
}

// Retrieval computes recall both ways from features and the texts that say which pictures are theirs. Texts all of whose pictures were left out are too.
func Retrieval(f *Features, texts []dataset.Text) (*Report, error) {
	leftOut := len(f.leftOut)
	f, texts = rest(f, texts)
	ofText, ofImage, err := Ranks(f, texts)
	if err != nil {
		return nil, err
	}
	none := func(rank int) bool { return rank == 0 }
	asked := slices.DeleteFunc(slices.Clone(ofImage), none)
	if len(asked) == 0 {
		return nil, fmt.Errorf("%w: none of %d texts names a picture; evaluate a split with answers, such as MUGE's valid, "+
			"or write predictions to hand in (clipkit topk)", ErrHidden, len(texts))
	}
	return &Report{
		Images: len(f.ImageIDs), Texts: len(texts), TextToImage: Recall(ofText), ImageToText: Recall(asked),
		ImagesAsked: len(asked), TextMedianRank: median(slices.DeleteFunc(ofText, none)), ImageMedianRank: median(asked), LeftOut: leftOut,
	}, nil
}

// Recall is the share of queries, in percent, whose first right answer has rank 1, at most 5 and at most 10, and the mean of the three. Rank 0
// is a miss. The figures are computed in the reference's order and equal its output to the last digit.
func Recall(ranks []int) experiment.Recall {
	var share [3]float64
	for i, k := range []int{1, 5, 10} {
		hits := 0
		for _, rank := range ranks {
			if rank >= 1 && rank <= k {
				hits++
			}
		}
		share[i] = float64(hits) / float64(max(len(ranks), 1))
	}
	mean := (share[0] + share[1] + share[2]) / 3
	return experiment.Recall{R1: share[0] * 100, R5: share[1] * 100, R10: share[2] * 100, Mean: mean * 100}
}

// median sorts ranks; there is at least one.
func median(ranks []int) float64 {
	slices.Sort(ranks)
	return float64(ranks[(len(ranks)-1)/2]+ranks[len(ranks)/2]) / 2
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
	b, err := regular.ReadFile(path, 16<<20)
	if err != nil {
		return nil, fmt.Errorf("reading an evaluation: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("reading an evaluation: %s: %w", path, err)
	}
	return r, nil
}
