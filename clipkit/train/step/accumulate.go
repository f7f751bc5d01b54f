package step

import (
	"context"
	"errors"
	"fmt"
	"math"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/model/pixels"
	"clipnb/clipkit/train/batchnorm"
	"clipnb/clipkit/train/compiled"
	"clipnb/clipkit/train/lossscale"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Accumulation (cn_clip/training/train.py:207): a batch that does not fit is trained as k micro-batches, with the loss of the whole batch. Two graphs:
//
//	features  the unit features of a micro-batch, in training mode, without masks and without gradient
//	backward  a micro-batch again, with masks: its fresh features beside the cached ones of all others, the loss over all of them, and its
//	          gradients, which are added up
//
// With k = 1 there are no others, and only the second runs. The order of pairs means nothing to the loss, so the fresh features come first and
// nothing is spliced into a place. BatchNorm's running statistics move 2k times a step, and logit_scale, which every pass sees in full, gets
// k times the gradient, both as in the reference. The reference's two passes over a micro-batch draw different dropout; here they draw the
// same, which makes the sums exact.
//
// Several ranks and several processes (ranks.go): the processes exchange features between the two graphs, and gradients before the update.
//
// A process with one micro-batch of several computes its forward pass twice. Measured, and not done: the features graph also gives the value of every
// product and of the sums along the blocks, and the backward graph takes them as inputs, from the last back to the first, so that it multiplies for
// gradients only. Loss equal, gradients within 1.3e-6 of each tensor's largest. Of ViT-B-16's (XLA on two cores, batch 8, float32, without the
// update; processor seconds, best of 3) 14.8 s it left 13.3, where one pass alone takes 12.3; the largest size of the process went from 4.6 to 5.1 GB
// (0.9 GB is handed over), compiling from 64 to 82 s; a tiny model's step took a fifth longer. Without the sums along the blocks it saved nothing
// (15.1 s, 6.4 GB): each layer's norm added up all layers below it again. All graph functions of the model have to say what they hand over.

// featuresGraph: a batch, with masks or without → images [n,D], texts [n,D].
func (s *Stepper) featuresGraph(scope *gomodel.Scope, in []*Node) []*Node {
	b := batchNodes{images: in[0], ids: in[1], random: in[2]}
	if len(in) > 3 {
		b.visible = in[3]
	}
	images, texts := s.towers(scope, b)
	return []*Node{images, texts}
}

// backwardGraph: a batch with the others' features → loss and accuracies [3], then the gradient of every parameter. In float16 the norm of the
// gradients is the fourth number.
func (s *Stepper) backwardGraph(scope *gomodel.Scope, in []*Node) []*Node {
	b := s.batchOf(in)
	loss, imageToText, textToImage := s.loss(scope, b)
	numbers := []*Node{loss, imageToText, textToImage}
	if b.scale != nil {
		loss = Mul(loss, b.scale)
	}
	grads := s.gradients(scope, loss)
	if b.scale != nil {
		for i, g := range grads {
			grads[i] = Div(g, b.scale)
		}
		numbers = append(numbers, lossscale.Norm(grads))
	}
	return append([]*Node{Stack(numbers, 0)}, grads...)
}

// backpropagate gives the loss and the two accuracies of a step, and the gradients of all its micro-batches together, in the order of s.params.
func (s *Stepper) backpropagate(ctx context.Context, b batch) (out []float32, grads []*tensors.Tensor, err error) {
	if s.model.Device.Many != nil {
		return s.gradientsOnMany(ctx, b)
	}
	c := s.config
	defer func() {
		if err != nil {
			err = errors.Join(err, b.moved.Undo())
			for _, g := range grads {
				_ = g.FinalizeAll()
			}
			grads = nil
		}
	}()
	plain, masked, err := s.cachedFeatures(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	norm, broken := float32(0), float32(0)
	for j := range b.own {
		m := b.first + j
		part := b.part(j, c.beside(m))
		part.others = s.others(m, c.beside(m), plain, masked)
		if err := b.moved.Before(m); err != nil {
			return nil, nil, err
		}
		pass, err := s.backward.Run(ctx, s.model.Device, s.store, part.tensors()...)
		var numbers []float32
		if err == nil {
			numbers, err = compiled.TakeValues(pass[0])
		}
		if err == nil {
			err = b.moved.After(m, s.backwardPass(m))
		}
		switch {
		case err != nil:
		case j == 0:
			grads = pass[1:]
		default:
			err = s.accumulateInto(grads, pass[1:])
		}
		if err := s.next(ctx, Pass{"gradients", j + 1, b.own}, err); err != nil {
			return nil, grads, fmt.Errorf("gradients of micro-batch %d of %d: %w", m+1, c.MicroBatches(), err)
		}
		if s.scaled() {
			norm += numbers[3]
		}
		if !finite(float64(numbers[0])) {
			broken++
		}
		if m < c.accum() || out == nil { // the last of rank 0, where it is computed here
			out = numbers
		}
	}
	for _, all := range []func() error{
		func() error { return s.agree(out[:3], &norm, &broken) },
		func() error { return s.sumOverProcesses(grads) },
		func() error { return s.averageOverRanks(grads) },
		func() error { return b.moved.Apply() },
	} {
		if err := all(); err != nil {
			return nil, nil, err
		}
	}
	if s.scaled() {
		out[3] = norm
	}
	if broken > 0 && finite(float64(out[0])) { // that of a rank which is not reported
		out[0] = float32(math.NaN())
	}
	return out, grads, nil
}

// backwardPass is the number of the backward pass over a micro-batch of rank 0 among those that move BatchNorm's statistics.
func (s *Stepper) backwardPass(m int) int {
	if k := s.config.accum(); k > 1 {
		return k + m
	}
	return m
}

// cachedFeatures are those of the whole step that are compared with a micro-batch's fresh ones: those without masks, and where the reference
// has them those with masks.
func (s *Stepper) cachedFeatures(ctx context.Context, b batch) (plain, masked features, err error) {
	c := s.config
	if len(c.beside(b.first)) == 0 {
		return plain, masked, nil
	}
	// A rank gathers what the others' forward passes give at the same time, and those have masks; what it cached itself has none.
	// The parts of its batch it sees with masks, too.
	gathersMasked := s.masked() && (c.ranks() > 1 && !c.SkipAggregate || c.parts() > 1)
	if c.accum() > c.parts() || !gathersMasked {
		if plain, err = s.featuresOf(ctx, b, false); err != nil {
			return plain, masked, err
		}
	}
	if gathersMasked {
		masked, err = s.featuresOf(ctx, b, true)
	}
	return plain, masked, err
}

// featuresOf all micro-batches, each process its own, with masks or without.
func (s *Stepper) featuresOf(ctx context.Context, b batch, masks bool) (all features, err error) {
	c := s.config
	for j := range b.own {
		m := b.first + j
		part := b.part(j, nil)
		part.teacher, part.pictures, part.captions, part.scale = nil, nil, nil, 0
		if !masks {
			part.visible = nil
		}
		counts := c.accum() > 1 // with one micro-batch a rank, the reference has no such pass
		if counts {
			err = b.moved.Before(m)
		}
		var f []*tensors.Tensor
		if err == nil {
			f, err = s.features.Run(ctx, s.model.Device, s.store, part.tensors()...)
		}
		if err == nil && counts {
			err = b.moved.After(m, m)
		}
		if err := s.next(ctx, Pass{"features", j + 1, b.own}, err); err != nil {
			return all, fmt.Errorf("features of micro-batch %d of %d: %w", m+1, c.MicroBatches(), err)
		}
		for i, into := range []*[]float32{&all.images, &all.texts} {
			values, err := compiled.TakeValues(f[i])
			if err != nil {
				return all, err
			}
			*into = append(*into, values...)
		}
	}
	all.n = b.n * s.world().Size()
	if s.world().Size() > 1 {
		for _, x := range []*[]float32{&all.images, &all.texts} {
			if *x, err = exchange.Gather(s.world(), *x); err != nil {
				return all, fmt.Errorf("gathering features: %w", err)
			}
		}
	}
	return all, nil
}

// others are the features that a micro-batch's own are compared with: those of the micro-batches beside it.
func (s *Stepper) others(m int, beside []int, plain, masked features) (f features) {
	c := s.config
	k, all := c.accum(), c.MicroBatches()
	for _, o := range beside {
		from := plain
		if masked.n > 0 && o%k/c.parts() == m%k/c.parts() {
			from = masked
		}
		f.n += from.n / all
		f.images = append(f.images, share(from.images, o, all)...)
		f.texts = append(f.texts, share(from.texts, o, all)...)
	}
	return f
}

// Gradients computes what Step would, up to the update, and changes nothing: each receives the gradient of the loss with respect to
// every trained parameter, in the order of adamw.Parameters, as the reference's optimizer gets it (ranks.go): logit_scale's is accum_freq times that of the
// whole batch's loss. Skipped says that in float16 some are not finite. It is given up between its micro-batches when ctx ends, as a step is.
func (s *Stepper) Gradients(ctx context.Context, images []float32, ids []int32, n int, seed uint64,
	each func(name string, shape []int, values []float32) error) (Result, error) {
	b, err := s.batch(ctx, pixels.Pictures{Values: images}, ids, allDifferent(n), seed)
	if err != nil {
		return Result{}, fmt.Errorf("gradients: %w", err)
	}
	statistics, err := batchnorm.UndoOnly(s.model) // every pass moves them
	if err != nil {
		return Result{}, err
	}
	out, grads, err := s.backpropagate(ctx, b)
	if err = errors.Join(err, statistics.Undo()); err != nil {
		return Result{}, fmt.Errorf("gradients: %w", err)
	}
	for i, t := range s.params {
		values, err := compiled.TakeValues(grads[i])
		if x := float32(s.config.gradientShare()); x != 1 {
			for i := range values {
				values[i] *= x
			}
		}
		if err == nil {
			err = each(t.Name, t.Shape, values)
		}
		if err != nil {
			return Result{}, err
		}
	}
	_, scale, err := s.model.Get("logit_scale")
	if err != nil {
		return Result{}, err
	}
	return Result{Loss: float64(out[0]), ImageToTextAcc: float64(out[1]), TextToImageAcc: float64(out[2]), LogitScale: float64(scale[0]),
		Skipped: s.scaled() && !finite(float64(out[3]))}, nil
}
