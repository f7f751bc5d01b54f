package train

import (
	"fmt"
	"math"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/model"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// maxLogitScale keeps exp(logit_scale) at or below 100 (SPEC §1.7).
const maxLogitScale = 4.6052

// Stepper runs optimizer steps on a model: forward, gradients and AdamW are one compiled graph per batch shape (accumulate.go: three).
// Parameters and moments stay on the device; a step moves the batch in and a few numbers out.
type Stepper struct {
	// Teacher gives the features [n,T] of the pictures [n,3,R,R] of a step, for Config.KDLossWeight > 0; T is any width.
	Teacher func(images []float32, n int) ([]float32, error)

	model  *model.Model
	config Config
	params []arch.Tensor // in the order of Parameters
	steps  int           // updates done, the t of AdamW's bias correction
	noise  func(seed uint64, n int) []float32

	whole, features, backward, update graphs
}

// StepResult is what one step reports, all from before its update except LogitScale.
type StepResult struct {
	Loss           float64 // with the share of the teacher, if there is one
	ImageToTextAcc float64 // share of the batch, 0..1
	TextToImageAcc float64
	LogitScale     float64 // the parameter after the update and the clamp
}

// NewStepper prepares a model for training with fresh (zero) moments. It honours these settings: beta1, beta2, eps, weight_decay,
// accum_freq, mask_ratio, freeze_vision and kd_loss_weight; the rest is the Job's.
func NewStepper(m *model.Model, cfg Config) (*Stepper, error) {
	if err := cfg.checkStep(m.Config); err != nil {
		return nil, err
	}
	if m.Precision() != model.F32 {
		return nil, fmt.Errorf("%w: the model's precision is %s, want %s: only float32 models train", ErrConfig, m.Precision(), model.F32)
	}
	s := &Stepper{model: m, config: cfg}
	for _, t := range Parameters(m.Config) {
		if !cfg.FreezeVision || !strings.HasPrefix(t.Name, "visual.") {
			s.params = append(s.params, t)
		}
	}
	s.noise = s.patchNoise
	s.whole.build, s.features.build, s.backward.build, s.update.build = s.wholeGraph, s.featuresGraph, s.backwardGraph, s.updateGraph
	if err := s.allocate(moments...); err != nil {
		return nil, err
	}
	return s, nil
}

// moments are the names under which the optimizer's state lies beside the parameters.
var moments = []string{"adamw.m/", "adamw.v/"}

// allocate makes a zero tensor beside every trained parameter for each prefix, unless it exists.
func (s *Stepper) allocate(prefixes ...string) error {
	for _, t := range s.params {
		for _, prefix := range prefixes {
			if s.model.Store.GetVariable("/"+prefix+t.Name) != nil {
				continue
			}
			if _, err := s.model.Store.CreateVariable(prefix+t.Name, tensors.FromShape(shapes.Make(dtypes.Float32, t.Shape...))); err != nil {
				return fmt.Errorf("allocating %s%s for training: %w", prefix, t.Name, err)
			}
		}
	}
	return nil
}

// Close frees the compiled graphs, the moments and the gradients; the model keeps its parameters.
func (s *Stepper) Close() {
	for _, g := range []*graphs{&s.whole, &s.features, &s.backward, &s.update} {
		g.close()
	}
	for _, t := range s.params {
		for _, prefix := range append(moments, gradients) {
			_ = s.model.Store.DeleteVariable("/" + prefix + t.Name) // gradients exist only where they were accumulated
		}
	}
}

// wholeGraph is a step without accumulation. in: the scalars of adamScalars [3], then a batch.
func (s *Stepper) wholeGraph(scope *gomodel.Scope, in []*Node) []*Node {
	scalars, b := in[0], s.batchOf(in[1:])
	loss, imageToText, textToImage := s.loss(scope, b)
	scale := s.adamW(scope, scalars, s.gradients(scope, loss))
	return []*Node{Stack([]*Node{loss, imageToText, textToImage, scale}, 0)}
}

// towers gives the unit features [n,D] of a batch in training mode.
// A frozen vision tower gets no gradient, and its BatchNorm neither uses nor moves the batch's statistics (SPEC §5.8).
func (s *Stepper) towers(scope *gomodel.Scope, b batchNodes) (images, texts *Node) {
	cfg, store, g := s.model.Config, scope.Store(), b.images.Graph()
	p := model.NewParams(cfg, store, g)
	p.Training = true
	if cfg.TextDropout > 0 || cfg.TextAttnDropout > 0 {
		p.Random = b.random
	}
	vision := p
	if s.config.FreezeVision {
		vision = model.NewParams(cfg, store, g)
	}
	vision.Keep = b.keep
	images = L2Normalize(model.VisualFeatures(vision, b.images), -1)
	if s.config.FreezeVision {
		images = StopGradient(images)
	}
	return images, L2Normalize(model.TextFeatures(p, b.ids), -1)
}

// loss is what a step minimises, over the batch and the features of others that came with it.
func (s *Stepper) loss(scope *gomodel.Scope, b batchNodes) (loss, imageToText, textToImage *Node) {
	images, texts := s.towers(scope, b)
	if b.otherImages != nil {
		images = Concatenate([]*Node{images, b.otherImages}, 0)
		texts = Concatenate([]*Node{texts, b.otherTexts}, 0)
	}
	scale := Exp(s.value(scope, b.images.Graph(), "logit_scale"))
	loss, imageToText, textToImage = Contrastive(images, texts, scale)
	if b.teacher != nil {
		loss = Add(loss, MulScalar(Distillation(b.teacher, images), s.config.KDLossWeight))
	}
	return loss, imageToText, textToImage
}

// value is a tensor of the model or of the optimizer in a graph.
func (s *Stepper) value(scope *gomodel.Scope, g *Graph, name string) *Node {
	return scope.Store().GetVariable("/" + name).NodeValue(g)
}

// gradients of the loss, in the order of the parameters.
func (s *Stepper) gradients(scope *gomodel.Scope, loss *Node) []*Node {
	values := make([]*Node, len(s.params))
	for i, t := range s.params {
		values[i] = s.value(scope, loss.Graph(), t.Name)
	}
	return Gradient(loss, values...)
}

// adamW updates every parameter and its moments, and clamps the logit scale, which it returns. scalars are adamScalars, [3].
func (s *Stepper) adamW(scope *gomodel.Scope, scalars *Node, grads []*Node) (logitScale *Node) {
	g, store := scalars.Graph(), scope.Store()
	scalar := func(i int) *Node { return Reshape(Slice(scalars, AxisRange(i, i+1))) }
	decay, stepSize, sqrtBias := scalar(0), scalar(1), scalar(2)
	for i, t := range s.params {
		w, m, v := store.GetVariable("/"+t.Name), store.GetVariable("/"+moments[0]+t.Name), store.GetVariable("/"+moments[1]+t.Name)
		d := decay
		if NoDecay(t.Name) {
			d = nil
		}
		newW, newM, newV := adamW(w.NodeValue(g), m.NodeValue(g), v.NodeValue(g), grads[i], d, stepSize, sqrtBias, s.config.Beta1, s.config.Beta2, s.config.Epsilon)
		if t.Name == "logit_scale" {
			newW = ClipScalar(newW, 0, maxLogitScale)
			logitScale = newW
		}
		w.SetNodeValue(newW)
		m.SetNodeValue(newM)
		v.SetNodeValue(newV)
	}
	return logitScale
}

// Step trains on one batch: images [n,3,R,R], ids [n,T], with the given learning rate. seed keys the dropout and the masks of this step.
// With accum_freq k the batch is k micro-batches of n/k, one after the other.
func (s *Stepper) Step(images []float32, ids []int32, n int, lr float64, seed uint64) (StepResult, error) {
	b, err := s.batch(images, ids, n, seed)
	if err != nil {
		return StepResult{}, fmt.Errorf("training step %d: %w", s.steps+1, err)
	}
	a := newAdamScalars(lr, s.config.WeightDecay, s.config.Beta1, s.config.Beta2, s.steps+1)
	scalars := tensors.FromFlatDataAndDimensions([]float32{a.decay, a.stepSize, a.sqrtBias}, 3)
	var out []float32 // loss, the two accuracies, the scale
	if s.config.AccumFreq > 1 {
		out, err = s.accumulate(b)
		if err == nil {
			var scale [][]float32
			if scale, err = s.update.run(s.model, scalars); err == nil {
				out = append(out, scale[0]...)
			}
		}
	} else {
		var all [][]float32
		if all, err = s.whole.run(s.model, append([]*tensors.Tensor{scalars}, b.tensors()...)...); err == nil {
			out = all[0]
		}
	}
	if err != nil {
		return StepResult{}, fmt.Errorf("training step %d: %w", s.steps+1, err)
	}
	s.steps++
	res := StepResult{Loss: float64(out[0]), ImageToTextAcc: float64(out[1]), TextToImageAcc: float64(out[2]), LogitScale: float64(out[3])}
	if math.IsNaN(res.Loss) || math.IsInf(res.Loss, 0) {
		return res, fmt.Errorf("step %d: %w: loss is %v; lower the learning rate (now %.3g) or look at the data", s.steps, ErrDiverged, res.Loss, lr)
	}
	return res, nil
}

// Moments copies the optimizer's state out: two tensors per parameter, named as in the store.
func (s *Stepper) Moments(each func(name string, shape []int, values []float32) error) error {
	for _, t := range s.params {
		for _, moment := range moments {
			shape, values, err := s.model.Get(moment + t.Name)
			if err != nil {
				return err
			}
			if err := each(moment+t.Name, shape, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetMoments puts the optimizer's state back, with the number of updates that it has seen.
func (s *Stepper) SetMoments(steps int, get func(name string) (shape []int, values []float32, err error)) error {
	for _, t := range s.params {
		for _, moment := range moments {
			shape, values, err := get(moment + t.Name)
			if err != nil {
				return err
			}
			if err := s.model.Set(moment+t.Name, shape, values); err != nil {
				return err
			}
		}
	}
	s.steps = steps
	return nil
}
