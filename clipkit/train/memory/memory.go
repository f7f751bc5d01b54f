// Package memory estimates what a training run takes before anything is compiled: the largest resident size of its process, from loading the first
// pictures to the last save.
//
//	bytes := memory.Run{Arch: cfg, Step: settings, BatchSize: 8, ContextLength: 52, Turns: 16, Together: 1, Devices: 1, Ahead: 8}.Bytes()
//
// It holds within Error for whole runs, with a validation and a save, on cpu:xla in float32 (train's TestMemoryEstimate has the figures, and measures them
// with -measure). A model in evaluation, the teacher for one, is not included.
//
// What is counted: weights, moments, gradients and their sums; what waits in a step for the gradients; what the compiler takes and keeps, and a validation;
// the pixels of a step and those that the loader makes ahead. A save holds one tensor and is not seen.
package memory

import (
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/lora"
	"clipnb/clipkit/train/step"
)

// Error is how far the estimate may be off, as a share.
const Error = 0.15

// Fitted to the measurements.
const (
	processBytes   = 0.35e9 // the program, the engine, and what its compiler takes for a step of other lengths
	trainedCopies  = 3.0    // of a trained tensor, besides itself: moments and gradient
	blockValues    = 16.0   // values per token and channel of a transformer block that wait for the gradients, in theory
	blockOverhead  = 1.25   // what XLA keeps for each of them
	convValues     = 5.0    // values kept for each output of a convolution
	recomputeShare = 0.4    // of these with grad_checkpointing: XLA:CPU begins recomputing earlier than it would have to
	passingValues  = 8.0    // values for each that a block puts out where nothing waits for gradients
)

// Run is what the memory of a process of a training run depends on.
type Run struct {
	Arch          arch.Config
	Step          step.Config
	BatchSize     int // pairs in a micro-batch
	ContextLength int // with which all texts are counted

	Turns    int // a step's micro-batches are computed one after the other,
	Together int // so many at a time,
	Devices  int // on so many devices
	Ahead    int // micro-batches that the loader makes ahead
}

// Bytes is the estimate.
func (r Run) Bytes() int64 {
	return int64(processBytes + r.tensors() + r.activations() + r.validation() + r.pixels())
}

// frozen tells whether the vision tower gets no gradients.
func (r Run) frozen() bool {
	return r.Step.FreezeVision || r.Step.LoRARank > 0 && r.Arch.IsResNet()
}

// tensors are the parameters and all that is of their size.
func (r Run) tensors() float64 {
	weights, trained := float64(r.Arch.NumParams()), 0.0
	if r.Step.LoRARank > 0 {
		for _, ad := range lora.Adapters(r.Arch, r.Step.LoRARank, r.Step.FreezeVision) {
			weights += float64(ad.Matrix.Size()) // its sum with the additions
			trained += float64(ad.A.Size() + ad.B.Size())
		}
		weights += trained
	} else {
		for _, t := range adamw.Parameters(r.Arch) {
			if !r.frozen() || !strings.HasPrefix(t.Name, "visual.") {
				trained += float64(t.Size())
			}
		}
	}
	copies := trainedCopies
	if r.Turns > 1 {
		copies++ // the sums of the gradients
	}
	everywhere := copies // of what each device has its own
	if r.Step.ShardMoments {
		everywhere = 1 // the gradient
	}
	return 4 * (float64(r.Devices)*(weights+everywhere*trained) + (copies-everywhere)*trained)
}

// activations are what waits for the gradients of the micro-batches that are computed together.
func (r Run) activations() float64 {
	cfg := r.Arch
	block := func(layers, tokens, width, heads int) float64 {
		return 4 * blockOverhead * float64(layers) * (float64(tokens*width)*blockValues + float64(heads*tokens*tokens))
	}
	text := block(cfg.TextLayers, r.ContextLength, cfg.TextWidth, cfg.TextHeads)
	var vision float64
	if cfg.IsResNet() {
		vision = 4 * convValues * convOutputs(cfg)
	} else {
		vision = block(cfg.VisionLayers[0], 1+model.KeptPatches(cfg.Grid()*cfg.Grid(), r.Step.MaskRatio), cfg.VisionWidth, cfg.VisionHeads())
	}
	if r.Step.Recompute {
		text *= recomputeShare
		if !cfg.IsResNet() {
			vision *= recomputeShare
		}
	}
	if r.frozen() {
		vision = r.passing()
	}
	return float64(r.Together*r.BatchSize) * (text + vision)
}

// validation is what encoding 64 pictures takes beside what a step has taken, which waits for the next one.
func (r Run) validation() float64 { return 64 * r.passing() }

// passing is what a picture takes on its way through a tower without gradients: a few values for each that one layer puts out, however many layers there are.
func (r Run) passing() float64 {
	cfg, most := r.Arch, 0.0
	if cfg.IsResNet() {
		cfg.Convolutions(func(side, _, out, _ int) { most = max(most, float64(side*side*out)) })
		return 4 * 2 * most // in and out
	}
	return 4 * passingValues * float64((1+cfg.Grid()*cfg.Grid())*cfg.VisionWidth)
}

// convOutputs counts the values that the convolutions of a ResNet put out for one picture.
func convOutputs(cfg arch.Config) (n float64) {
	cfg.Convolutions(func(side, _, out, _ int) { n += float64(side * side * out) })
	return n
}

// pixels are those of a step, and those of the next that are ready, a byte each, with what decoding leaves for the collector: it waits for as much as there is.
func (r Run) pixels() float64 {
	held := r.Ahead + 1
	if own := r.Turns * r.Together; own > 1 {
		held += own
	}
	bytes := float64(held*r.BatchSize) * float64(3*r.Arch.ImageResolution*r.Arch.ImageResolution)
	return bytes + min(bytes, Garbage)
}
