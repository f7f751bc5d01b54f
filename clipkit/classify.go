package clipkit

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/eval"
)

// Guess is a label with its probability among the labels that were given.
type Guess struct {
	Label       string
	Probability float32
}

// Classify ranks labels for each picture, the most probable first: zero-shot classification. Each label is asked in every template, such as
// eval.ChineseTemplates; without templates it is asked as it is, which is the reference's quick start.
//
// The probabilities are those of the labels against each other: of labels none of which fits, one still comes first.
func Classify(ctx context.Context, m *Model, pictures []image.Image, labels []string, templates ...string) ([][]Guess, error) {
	if len(templates) == 0 {
		templates = []string{"{}"}
	}
	c, err := eval.NewClassifier(ctx, m.Model, labels, templates, m.Config.ContextLength, nil)
	if err != nil {
		return nil, err
	}
	classes := rows(c.Vectors, c.Dim)
	var out [][]Guess
	for part := range slices.Chunk(pictures, 64) {
		features, err := m.EncodeImages(ctx, part)
		if err != nil {
			return nil, err
		}
		logits, err := m.Similarity(features, classes)
		if err != nil {
			return nil, err
		}
		for _, row := range logits {
			guesses := make([]Guess, len(labels))
			for i, p := range Probabilities(row) {
				guesses[i] = Guess{Label: labels[i], Probability: p}
			}
			slices.SortStableFunc(guesses, func(a, b Guess) int { return cmp.Compare(b.Probability, a.Probability) })
			out = append(out, guesses)
		}
	}
	return out, nil
}

// OpenLabelled opens a set of pictures in classes (eval.OpenLabelled): class folders, one of ELEVATER's sets, CIFAR-100's binary version; or
// "emoji", the embedded test pictures, each of its own name. A relative path is looked up as OpenDataset does.
func OpenLabelled(ctx context.Context, path string) (eval.Labelled, error) {
	if path == "emoji" {
		data, err := OpenDataset(ctx, path)
		if err != nil {
			return nil, err
		}
		return eval.ByCaption(data.Test, nil), nil
	}
	if !filepath.IsAbs(path) {
		for _, p := range []string{path, filepath.Join(root(), path), filepath.Join(root(), "datasets", path)} {
			if _, err := os.Stat(p); err == nil {
				path = p
				break
			}
		}
	}
	return eval.OpenLabelled(path)
}

// ZeroShotOptions are for EvaluateZeroShot; the zero value will do.
type ZeroShotOptions struct {
	Labels      []string          // the classes' names, in their order; nil: the set's own
	Templates   eval.Templates    // nil: eval.ChineseTemplates
	Predictions *eval.Predictions // keeps every picture's probabilities, for ELEVATER; nil: they are not kept
}

// EvaluateZeroShot classifies every picture of a set by the labels alone. Of the 500 pictures of "emoji", in a style that it has not seen, the
// embedded model gives 9.0 % their own of 500 names, and 25.6 % among the first five; guessing would give 0.2 and 1 %.
func EvaluateZeroShot(ctx context.Context, m *Model, set eval.Labelled, o ZeroShotOptions) (*eval.ZeroShot, error) {
	if o.Labels == nil {
		o.Labels = set.Labels()
	}
	if o.Templates == nil {
		o.Templates = eval.ChineseTemplates
	}
	texts := newProgress("labels", len(o.Labels)*len(o.Templates))
	defer texts.finish()
	c, err := eval.NewClassifier(ctx, m.Model, o.Labels, o.Templates, m.Config.ContextLength, texts.set)
	if err != nil {
		return nil, err
	}
	var keep func(int, []float32)
	if o.Predictions != nil {
		keep = o.Predictions.Keep
	}
	bar := newProgress("classifying "+set.Name(), set.Len())
	defer bar.finish()
	return eval.Classify(ctx, m.Model, set, c, keep, bar.set)
}
