package train

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Accumulation (SPEC §5.6): a batch that does not fit is trained as k micro-batches, with the loss of the whole batch. Three graphs:
//
//	features  the unit features of a micro-batch, in training mode, without masks and without gradient
//	backward  a micro-batch again, with masks: its fresh features beside the cached ones of all others, the loss over all of them, and
//	          the gradients of this loss added up
//	update    one step of AdamW from the sums
//
// The order of pairs means nothing to the loss, so the fresh features come first and nothing is spliced into a place. BatchNorm's running
// statistics move 2k times a step, and logit_scale, which every pass sees in full, gets k times the gradient, both as in the reference.
// The reference's two passes over a micro-batch draw different dropout; here they draw the same, which makes the sums exact.
//
// Several machines exchange features between the first two graphs, and gradients before the third.

// gradients is where the sums lie beside the parameters.
const gradients = "gradient/"

// featuresGraph: a batch → images [n,D], texts [n,D].
func (s *Stepper) featuresGraph(scope *gomodel.Scope, in []*Node) []*Node {
	images, texts := s.towers(scope, batchNodes{images: in[0], ids: in[1], random: in[2]})
	return []*Node{images, texts}
}

// backwardGraph adds to the sums. in: what the old sums are multiplied by (0 starts afresh), then a batch with the others' features.
func (s *Stepper) backwardGraph(scope *gomodel.Scope, in []*Node) []*Node {
	loss, imageToText, textToImage := s.loss(scope, s.batchOf(in[1:]))
	for i, grad := range s.gradients(scope, loss) {
		sum := scope.Store().GetVariable("/" + gradients + s.params[i].Name)
		sum.SetNodeValue(Add(Mul(sum.NodeValue(loss.Graph()), in[0]), grad))
	}
	return []*Node{Stack([]*Node{loss, imageToText, textToImage}, 0)}
}

// updateGraph: adamScalars [scales,3] → the new logit scale.
func (s *Stepper) updateGraph(scope *gomodel.Scope, in []*Node) []*Node {
	grads := make([]*Node, len(s.params))
	for i, t := range s.params {
		grads[i] = s.value(scope, in[0].Graph(), gradients+t.Name)
	}
	return []*Node{s.adamW(scope, in[0], grads)}
}

// accumulate leaves the gradients of a batch in the sums and gives the loss and the two accuracies of the last pass.
func (s *Stepper) accumulate(b batch) (out []float32, err error) {
	if err := s.allocate(gradients); err != nil {
		return nil, err
	}
	k := max(1, s.config.AccumFreq)
	var cached features
	for j := 0; k > 1 && j < k; j++ {
		part := b.part(j, k)
		part.keep, part.teacher, part.pictures, part.captions = nil, nil, nil, nil
		f, err := s.features.run(s.model, part.tensors()...)
		if err != nil {
			return nil, fmt.Errorf("features of micro-batch %d of %d: %w", j+1, k, err)
		}
		cached.images, cached.texts = append(cached.images, f[0]...), append(cached.texts, f[1]...)
	}
	for j := range k {
		part := b.part(j, k)
		part.others = features{n: b.n - part.n, images: without(cached.images, j, k), texts: without(cached.texts, j, k)}
		old := tensors.FromScalar(float32(min(j, 1)))
		passes, err := s.backward.run(s.model, append([]*tensors.Tensor{old}, part.tensors()...)...)
		if err != nil {
			return nil, fmt.Errorf("gradients of micro-batch %d of %d: %w", j+1, k, err)
		}
		out = passes[0]
	}
	return out, nil
}

// Gradients computes what Step would, up to the update, and changes nothing: each receives the gradient of the loss with respect to
// every trained parameter, in the order of Parameters. logit_scale's is accum_freq times that of the whole batch's loss.
// With accum_freq 1 it compiles a graph that Step does not use.
func (s *Stepper) Gradients(images []float32, ids []int32, n int, seed uint64,
	each func(name string, shape []int, values []float32) error) (StepResult, error) {
	b, err := s.batch(images, ids, different(n), seed)
	if err != nil {
		return StepResult{}, fmt.Errorf("gradients: %w", err)
	}
	statistics := map[string][]float32{} // BatchNorm's move in every pass
	for _, t := range s.model.Config.Tensors() {
		if t.Buffer {
			if _, statistics[t.Name], err = s.model.Get(t.Name); err != nil {
				return StepResult{}, err
			}
		}
	}
	out, err := s.accumulate(b)
	if err != nil {
		return StepResult{}, fmt.Errorf("gradients: %w", err)
	}
	for _, t := range s.model.Config.Tensors() {
		if t.Buffer {
			if err := s.model.Set(t.Name, t.Shape, statistics[t.Name]); err != nil {
				return StepResult{}, err
			}
		}
	}
	for _, t := range s.params {
		shape, values, err := s.model.Get(gradients + t.Name)
		if err != nil {
			return StepResult{}, err
		}
		if err := each(t.Name, shape, values); err != nil {
			return StepResult{}, err
		}
	}
	_, scale, err := s.model.Get("logit_scale")
	if err != nil {
		return StepResult{}, err
	}
	return StepResult{Loss: float64(out[0]), ImageToTextAcc: float64(out[1]), TextToImageAcc: float64(out[2]), LogitScale: float64(scale[0])}, nil
}
