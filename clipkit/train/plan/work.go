package plan

import (
	"cmp"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/train"
)

// Seconds that a parameter takes beside the products: to be updated once a step, and to have its gradient added to those of the other micro-batches. On
// two cores 0.4 and 0.2 s for the 188 million of ViT-B-16.
const (
	updateSeconds = 2e-9
	addSeconds    = 1e-9
)

// share of the measured float32 peak that a step's products reach here. ViT-B-16 reaches 0.80 to 0.85 on XLA (0.78 to 0.81 without AVX-512), the small
// emoji model 0.30 to 0.44, ONNX Runtime half of that; float32 on an H200 0.4. Half precision is 1.4 to 1.6 times as fast on a processor with
// AVX512_BF16, and 7 times in large batches on an H200.
func (r Run) share(c train.Config) float64 {
	share := 0.8
	if r.Model.NumParams() < 40e6 {
		share = 0.35
	}
	if strings.HasSuffix(r.Machine, "/ onnx") {
		share /= 2
	}
	half := c.Precision != "" && c.Precision != "f32"
	switch {
	case r.Kind != "cpu" && half:
		return 2
	case r.Kind != "cpu":
		return 0.4
	case half:
		return 1.5 * share
	}
	return share
}

// turns are the micro-batches that a process computes of a step.
func (r Run) turns(c train.Config) int {
	return max(1, c.StepConfig().MicroBatches()/max(1, r.Processes)/max(1, r.Devices))
}

// micro is how many pairs one of them has.
func micro(c train.Config) int {
	if c.MicroBatch > 0 {
		return c.MicroBatch
	}
	return c.BatchSize
}

// measured is the source of a speed that a probe or a run has shown.
const measured = "measured on this machine"

// seconds of a step, and where that is from.
func (r Run) seconds(c train.Config) (seconds float64, source string) {
	all, pairs := known(), float64(r.turns(c)*micro(c))
	if each, ok := all[r.key(c)]; ok {
		return pairs * each, measured
	}
	if r.Peak <= 0 {
		return 0, ""
	}
	for _, other := range sizes(c) { // parts of another size say how far the estimate is off
		if each, ok := all[r.key(other)]; ok {
			return r.estimate(c) * each * float64(r.turns(other)*micro(other)) / r.estimate(other), "estimated from other parts that were measured"
		}
	}
	return r.estimate(c), "estimated from this machine's peak"
}

// estimate of a step's seconds.
func (r Run) estimate(c train.Config) float64 {
	turns := r.turns(c)
	products := float64(turns*micro(c)) * c.Work(r.Model, r.Tokens, true) / (r.Peak * 1e9 * r.share(c))
	return products + float64(r.Model.NumParams())*(updateSeconds+addSeconds*float64(turns-1))
}

// Tokens is how long the texts of a step are, of which the longest counts (train.Config.TrimText).
func Tokens(s dataset.Source, c train.Config) int {
	if s == nil || !c.TrimText {
		return c.ContextLength
	}
	longest := 0
	for _, n := range lengths(s, c.ContextLength, c.BatchSize*max(1, c.WorldSize)*max(1, c.AccumFreq)) {
		longest = max(longest, n)
	}
	return cmp.Or(longest, c.ContextLength)
}

// MeanTokens is how long texts are that are encoded with others of their length.
func MeanTokens(s dataset.Source, contextLength int) int {
	sum, all := 0, lengths(s, contextLength, 512)
	for _, n := range all {
		sum += n
	}
	return max(1, sum/max(1, len(all)))
}

// lengths are those of at most n texts of s, from all over it.
func lengths(s dataset.Source, contextLength, n int) (list []int) {
	texts, row := s.Texts(), make([]int32, contextLength)
	n = min(n, len(texts), 2048)
	for i := range n {
		clear(row)
		tokenizer.Default().Encode(row, tokenizer.Prepare(texts[i*len(texts)/n].Text))
		list = append(list, model.TextLength(row))
	}
	return list
}
