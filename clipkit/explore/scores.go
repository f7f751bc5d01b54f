package explore

import (
	"context"
	"math/rand/v2"
	"slices"
	"sort"

	"clipnb/clipkit/dataset"
)

// Scores are cosines of texts with pictures, both sorted: of pairs that belong together, and of pairs that do not. They show what a cosine of
// this model is worth.
type Scores struct{ Right, Other []float32 }

const (
	sampleTexts  = 1000 // of the set, evenly spread; each with its first picture
	sampleOthers = 10   // with as many pictures of other texts in the sample
)

// SampleScores samples the scores of some texts and pictures. vectors gives the unit vectors of those that it asks for; what is missing among them
// is left out.
func SampleScores(texts []dataset.Text, vectors func(textIDs, imageIDs []int64) (byText, byImage map[int64][]float32, err error)) (out Scores, err error) {
	var sample []dataset.Text
	var textIDs, imageIDs []int64
	n := min(sampleTexts, len(texts))
	for k := range n {
		if t := texts[k*len(texts)/n]; len(t.ImageIDs) > 0 {
			sample, textIDs, imageIDs = append(sample, t), append(textIDs, t.ID), append(imageIDs, t.ImageIDs[0])
		}
	}
	byText, byImage, err := vectors(textIDs, imageIDs)
	if err != nil {
		return out, err
	}
	rng := rand.New(rand.NewPCG(1, 0)) // the same set has the same scores
	add := func(to *[]float32, text, image int64) {
		if a, b := byText[text], byImage[image]; a != nil && b != nil {
			*to = append(*to, float32(dot(a, b)))
		}
	}
	for i, t := range sample {
		add(&out.Right, t.ID, imageIDs[i])
		for range sampleOthers {
			if other := imageIDs[rng.IntN(len(imageIDs))]; !slices.Contains(t.ImageIDs, other) {
				add(&out.Other, t.ID, other)
			}
		}
	}
	slices.Sort(out.Right)
	slices.Sort(out.Other)
	return out, nil
}

// scores samples a side's indexes.
func (s Side) scores(ctx context.Context, texts []dataset.Text) (Scores, error) {
	if s.Texts == nil {
		return Scores{}, nil
	}
	return SampleScores(texts, func(textIDs, imageIDs []int64) (byText, byImage map[int64][]float32, err error) {
		if byText, err = s.Texts.Vectors(ctx, textIDs...); err == nil {
			byImage, err = s.Images.Vectors(ctx, imageIDs...)
		}
		return byText, byImage, err
	})
}

// Threshold is the cosine that parts right pairs from others best: the shares of right pairs above it and of other pairs below it have the
// largest sum. caught and fooled are the shares of right and of other pairs at or above it.
func (s Scores) Threshold() (cosine, caught, fooled float64) {
	best := -1.0
	for _, c := range s.Right {
		a, b := above(s.Right, c), above(s.Other, c)
		if a-b > best {
			best, cosine, caught, fooled = a-b, float64(c), a, b
		}
	}
	return cosine, caught, fooled
}

// above is the share of sorted values at or above a bound.
func above(sorted []float32, bound float32) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return float64(n-sort.Search(n, func(i int) bool { return sorted[i] >= bound })) / float64(n)
}

// ScoreBar is Scores for drawing: counts in equal steps from Low to High, as shares of the fullest step.
type ScoreBar struct {
	Low       float64   `json:"low"`
	High      float64   `json:"high"`
	Right     []float64 `json:"right"`
	Other     []float64 `json:"other"`
	Threshold float64   `json:"threshold"`
	Caught    float64   `json:"caught"`
	Fooled    float64   `json:"fooled"`
}

func (s Scores) bar() *ScoreBar {
	if len(s.Right) == 0 || len(s.Other) == 0 {
		return nil
	}
	low, high := min(s.Right[0], s.Other[0]), max(s.Right[len(s.Right)-1], s.Other[len(s.Other)-1])
	if !(high > low) {
		return nil
	}
	b := &ScoreBar{Low: float64(low), High: float64(high), Right: steps(s.Right, low, high), Other: steps(s.Other, low, high)}
	b.Threshold, b.Caught, b.Fooled = s.Threshold()
	return b
}

// steps counts values in 48 equal steps.
func steps(values []float32, low, high float32) []float64 {
	out := make([]float64, 48)
	for _, v := range values {
		out[min(int(float32(len(out))*(v-low)/(high-low)), len(out)-1)]++
	}
	most := slices.Max(out)
	for i := range out {
		out[i] /= most
	}
	return out
}
