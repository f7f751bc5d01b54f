package step

import (
	"fmt"

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
// Several machines exchange features between the two graphs, and gradients before the update.

// featuresGraph: a batch → images [n,D], texts [n,D].
func (s *Stepper) featuresGraph(scope *gomodel.Scope, in []*Node) []*Node {
	images, texts := s.towers(scope, batchNodes{images: in[0], ids: in[1], random: in[2]})
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
		numbers = append(numbers, norm(grads))
	}
	return append([]*Node{Stack(numbers, 0)}, grads...)
}

// backpropagate gives the loss and the two accuracies of a batch, and the gradients, in the order of s.params.
func (s *Stepper) backpropagate(b batch) (out []float32, grads []*tensors.Tensor, err error) {
	k := max(1, s.config.AccumFreq)
	var cached features
	for j := 0; k > 1 && j < k; j++ {
		part := b.part(j, k)
		part.visible, part.teacher, part.pictures, part.captions, part.scale = nil, nil, nil, nil, 0
		f, err := s.features.run(s, part.tensors()...)
		if err != nil {
			return nil, nil, fmt.Errorf("features of micro-batch %d of %d: %w", j+1, k, err)
		}
		for i, into := range []*[]float32{&cached.images, &cached.texts} {
			values, err := takeValues(f[i])
			if err != nil {
				return nil, nil, err
			}
			*into = append(*into, values...)
		}
	}
	norms := float32(0)
	for j := range k {
		part := b.part(j, k)
		part.others = features{n: b.n - part.n, images: withoutShare(cached.images, j, k), texts: withoutShare(cached.texts, j, k)}
		pass, err := s.backward.run(s, part.tensors()...)
		if err == nil {
			out, err = takeValues(pass[0])
		}
		if err != nil {
			return nil, nil, fmt.Errorf("gradients of micro-batch %d of %d: %w", j+1, k, err)
		}
		if s.scaled() {
			norms += out[3]
			out[3] = norms
		}
		if j == 0 {
			grads = pass[1:]
		} else if err := s.accumulateInto(grads, pass[1:]); err != nil {
			return nil, nil, err
		}
	}
	return out, grads, nil
}

// Gradients computes what Step would, up to the update, and changes nothing: each receives the gradient of the loss with respect to
// every trained parameter, in the order of Parameters. logit_scale's is accum_freq times that of the whole batch's loss. Skipped says that in float16
// some are not finite.
func (s *Stepper) Gradients(images []float32, ids []int32, n int, seed uint64,
	each func(name string, shape []int, values []float32) error) (Result, error) {
	b, err := s.batch(images, ids, allDifferent(n), seed)
	if err != nil {
		return Result{}, fmt.Errorf("gradients: %w", err)
	}
	statistics := map[string][]float32{} // BatchNorm's move in every pass
	for _, t := range s.model.Config.Tensors() {
		if t.Buffer {
			if _, statistics[t.Name], err = s.model.Get(t.Name); err != nil {
				return Result{}, err
			}
		}
	}
	out, grads, err := s.backpropagate(b)
	if err != nil {
		return Result{}, fmt.Errorf("gradients: %w", err)
	}
	for _, t := range s.model.Config.Tensors() {
		if t.Buffer {
			if err := s.model.Set(t.Name, t.Shape, statistics[t.Name]); err != nil {
				return Result{}, err
			}
		}
	}
	for i, t := range s.params {
		values, err := takeValues(grads[i])
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
