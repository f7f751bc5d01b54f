package explore

import (
	"math/rand/v2"
	"slices"
	"sort"

	"clipnb/clipkit/dataset"
)

// Scores are cosines of texts with pictures, both sorted: of pairs that belong together, and of pairs that do not. They show what a cosine of
// this model is worth.
type Scores struct{ Right, Other []float32 }

const (
	sampleTexts = 1000 // of the set; each with its first picture
	sampleOther = 10   // with as many other pictures
)

// SampleScores takes cosines of pairs of a set: images [len(imageIDs), dim], and texts' vectors [len(texts), dim] in the order of texts.
func SampleScores(dim int, imageIDs []int64, images []float32, texts []dataset.Text, vectors []float32) Scores {
	at := make(map[int64]int, len(imageIDs))
	for i, id := range imageIDs {
		at[id] = i
	}
	cosine := func(text, image int) (sum float32) {
		a, b := vectors[text*dim:(text+1)*dim], images[image*dim:(image+1)*dim]
		for i, x := range a {
			sum += x * b[i]
		}
		return sum
	}
	var s Scores
	rng := rand.New(rand.NewPCG(1, 0)) // the same set has the same scores
	n := min(sampleTexts, len(texts))
	for k := range n {
		i := k * len(texts) / n
		if len(texts[i].ImageIDs) == 0 {
			continue
		}
		own, ok := at[texts[i].ImageIDs[0]]
		if !ok {
			continue
		}
		s.Right = append(s.Right, cosine(i, own))
		for range min(sampleOther, len(imageIDs)-1) {
			if j := rng.IntN(len(imageIDs)); !slices.Contains(texts[i].ImageIDs, imageIDs[j]) {
				s.Other = append(s.Other, cosine(i, j))
			}
		}
	}
	slices.Sort(s.Right)
	slices.Sort(s.Other)
	return s
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
