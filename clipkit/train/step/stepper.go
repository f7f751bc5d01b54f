package step

import (
	"context"
	"fmt"
	"math"
	"slices"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/pixels"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/compiled"
	"clipnb/clipkit/train/lora"
	"clipnb/clipkit/train/loss"
	"clipnb/clipkit/train/lossscale"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// maxLogitScale keeps exp(logit_scale) at or below 100 (cn_clip/training/train.py:262).
const maxLogitScale = 4.6052

// Stepper runs optimizer steps on a model: loss and gradients are one compiled graph per batch shape (accumulate.go: two), AdamW is one for
// each kind of block (update.go). Parameters, gradients and moments stay on the device; a step moves the batch in and a few numbers out.
type Stepper struct {
	// Teacher gives the features [n,T] of the pictures [n,3,R,R] of a micro-batch, for Config.KDLossWeight > 0; T is any width.
	Teacher func(ctx context.Context, images []float32, n int) ([]float32, error)
	// Passed, when not nil, is told after each pass over a micro-batch.
	Passed func(Pass)
	// World is the processes that make a step together; nil: this one alone.
	World exchange.World

	model    *model.Model
	store    *gomodel.Store // the model's variables and, beside them, the optimizer's
	giveBack func()
	config   Config
	params   []arch.Tensor // what the optimizer updates, in the order of adamw.Parameters
	own      []arch.Tensor // those of params that are not the model's
	scales   []float64     // of each of params, its share of the learning rate
	groups   [][]int       // which of params are updated together
	steps    int           // updates done, the t of AdamW's bias correction

	precision model.Precision // of products
	scale     lossscale.State // in float16

	noise func(seed uint64, n int) []float32

	graphUpdates bool // update by graphs also where it could be done in place

	adapters []lora.Adapter // of LoRA

	features, backward compiled.ModelFunction
	update, add, sum   compiled.Function
	many               manyGraphs
}

// Result is what one step reports, all from before its update except LogitScale.
type Result struct {
	Loss           float64 // with the share of the teacher, if there is one
	ImageToTextAcc float64 // share of the batch, 0..1
	TextToImageAcc float64
	LogitScale     float64 // the parameter after the update and the clamp
	Skipped        bool    // the gradients were not finite in float16: nothing was updated, and the loss scale halved
}

// siglipBias is the parameter that the siglip loss brings with it. It lies beside the moments and is no part of the model's state dict.
var siglipBias = arch.Tensor{Name: "siglip.bias"}

// New prepares a model for training with fresh (zero) moments. Close the
// Stepper when it is done: until then the model's fingerprint is not kept.
func New(m *model.Model, cfg Config) (*Stepper, error) {
	if err := cfg.Check(m.Config); err != nil {
		return nil, err
	}
	if m.Precision() != model.F32 {
		return nil, fmt.Errorf("%w: the model's precision is %s, want %s: only float32 models train", ErrConfig, m.Precision(), model.F32)
	}
	s := &Stepper{model: m, config: cfg, precision: cfg.precision(m.Device)}
	if err := s.precision.CheckOn(m.Device); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := cfg.CheckOn(m.Device, m.Config, m.Device.Count()); err != nil { // the batch's size is not known yet
		return nil, err
	}
	s.store, s.giveBack = m.LendVariables()
	if s.scaled() {
		s.scale.Factor = lossscale.First
	}
	if err := s.chooseParameters(); err != nil {
		s.Close()
		return nil, err
	}
	s.noise = s.patchNoise
	s.features.Build, s.backward.Build = s.featuresGraph, s.backwardGraph
	s.update.Build, s.add.Build, s.sum.Build = s.updateGraph, addGraph, s.sumGraph
	if err := s.allocate(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// chooseParameters says what is trained, and makes what the model does not have.
func (s *Stepper) chooseParameters() error {
	cfg := s.model.Config
	if s.config.LoRARank > 0 {
		s.adapters = lora.Adapters(cfg, s.config.LoRARank, s.config.FreezeVision)
		if err := s.adapt(); err != nil {
			return err
		}
	} else {
		s.params = s.config.Trained(cfg)
	}
	if s.config.Loss == "siglip" {
		s.own = append(s.own, siglipBias)
		if err := s.newVariable("", siglipBias, []float32{float32(s.config.SigLIPBias)}, false); err != nil {
			return err
		}
	}
	s.params = append(s.params, s.own...)
	for _, t := range s.params {
		s.scales = append(s.scales, adamw.LayerScale(cfg, t.Name, s.config.LayerDecay))
	}
	s.groups = adamw.Groups(s.params)
	if s.model.Device.IsCUDA() { // starting a graph costs more there than memory
		s.groups = [][]int{slices.Concat(s.groups...)}
	}
	return nil
}

// visionFrozen: a ResNet has no blocks for LoRA, so with it nothing of it trains.
func (s *Stepper) visionFrozen() bool {
	return s.config.FreezeVision || s.config.LoRARank > 0 && s.model.Config.IsResNet()
}

// MomentPrefixes are the names, before a parameter's own, of the optimizer's state.
var MomentPrefixes = []string{"adamw.m/", "adamw.v/"}

// allocate makes zero moments beside every trained parameter.
func (s *Stepper) allocate() error {
	for _, t := range s.params {
		for _, prefix := range MomentPrefixes {
			if err := s.newVariable(prefix, t, make([]float32, t.Size()), s.splits(t)); err != nil {
				return err
			}
		}
	}
	return nil
}

// newVariable makes one of the optimizer's on the device: the host keeps no copy.
func (s *Stepper) newVariable(prefix string, t arch.Tensor, values []float32, split bool) error {
	err := s.model.Device.New(s.store, prefix+t.Name, shapes.Make(dtypes.Float32, t.Shape...), tensor.F32("", t.Shape, values).Data, split)
	if err != nil {
		return fmt.Errorf("allocating %s%s for training: %w", prefix, t.Name, err)
	}
	return nil
}

// Close frees the compiled graphs and the moments; the model keeps its parameters, with LoRA's additions in them.
func (s *Stepper) Close() {
	defer s.giveBack()
	s.features.Close()
	s.backward.Close()
	s.many.close(s)
	for _, f := range []*compiled.Function{&s.update, &s.add, &s.sum} {
		f.Close()
	}
	for _, t := range s.params {
		for _, prefix := range MomentPrefixes {
			_ = s.store.DeleteVariable("/" + prefix + t.Name)
		}
	}
	for _, t := range s.own {
		_ = s.store.DeleteVariable("/" + t.Name)
	}
	for _, ad := range s.adapters {
		_ = s.store.DeleteVariable("/" + loraBase + ad.Matrix.Name)
	}
	device.TrimMemory()
}

// towers gives the unit features [n,D] of a batch in training mode.
// A frozen vision tower gets no gradient, and its BatchNorm neither uses nor moves the batch's statistics
// (cn_clip/training/train.py:128).
func (s *Stepper) towers(scope *gomodel.Scope, b batchNodes) (images, texts *Node) {
	cfg, store, g := s.model.Config, scope.Store(), b.images.Graph()
	p := model.NewParams(cfg, store, g)
	p.Training, p.Recompute = true, s.config.Recompute
	if !s.config.UseBNSync {
		p.Ranks = s.config.TurnRanks(s.model.Device, cfg)
	}
	p.Multiply(s.precision.Products(), s.model.Device)
	if cfg.TextDropout > 0 || cfg.TextAttnDropout > 0 {
		p.Random = b.random
	}
	vision := p
	if s.visionFrozen() {
		vision = model.NewParams(cfg, store, g)
		vision.Multiply(p.Compute, s.model.Device)
	}
	vision.VisiblePatches = b.visible
	images = L2Normalize(model.VisualFeatures(vision, b.images), -1)
	if s.visionFrozen() {
		images = StopGradient(images)
	}
	return images, L2Normalize(model.TextFeatures(p, b.ids), -1)
}

// loss is what a step minimises, over the batch and the features of others that came with it.
func (s *Stepper) loss(scope *gomodel.Scope, b batchNodes) (value, imageToText, textToImage *Node) {
	images, texts := s.towers(scope, b)
	if b.otherImages != nil {
		images = Concatenate([]*Node{images, b.otherImages}, 0)
		texts = Concatenate([]*Node{texts, b.otherTexts}, 0)
	}
	scale := Exp(s.value(scope, b.images.Graph(), "logit_scale"))
	if s.config.Loss == "siglip" {
		value, imageToText, textToImage = loss.SigLIP(images, texts, scale, s.value(scope, b.images.Graph(), siglipBias.Name), b.positives)
	} else {
		value, imageToText, textToImage = loss.Contrastive(images, texts, scale, b.positives)
	}
	if b.teacher != nil {
		value = Add(value, MulScalar(loss.Distillation(b.teacher, images), s.config.KDLossWeight))
	}
	return value, imageToText, textToImage
}

// value is a tensor of the model or of the optimizer in a graph.
func (s *Stepper) value(scope *gomodel.Scope, g *Graph, name string) *Node {
	return scope.Store().GetVariable("/" + name).NodeValue(g)
}

// gradients of the loss, in the order of the parameters.
func (s *Stepper) gradients(scope *gomodel.Scope, loss *Node) []*Node {
	if s.config.LoRARank > 0 {
		return s.loraGradients(scope, loss)
	}
	values := make([]*Node, len(s.params))
	for i, t := range s.params {
		values[i] = s.value(scope, loss.Graph(), t.Name)
	}
	return Gradient(loss, values...)
}

// Step trains on one batch: images [n,3,R,R], ids [n,T], with the given learning rate. seed keys the dropout and the masks of this step.
// With accum_freq k the batch is k micro-batches of n/k, one after the other; with several ranks and processes those that Config.Share says. The pictures count as all different (StepOn tells otherwise).
func (s *Stepper) Step(images []float32, ids []int32, n int, lr float64, seed uint64) (Result, error) {
	return s.StepOn(context.Background(), pixels.Pictures{Values: images}, ids, allDifferent(n), lr, seed)
}

// StepOn is Step for pictures with these ids [n]. multi_positive needs to know which are the same: augmentation makes their pixels differ.
// When ctx ends before the last pass, on any process, the step is given up on all of them (ErrStopped).
func (s *Stepper) StepOn(ctx context.Context, images pixels.Pictures, ids []int32, pictures []int64, lr float64, seed uint64) (Result, error) {
	b, err := s.batch(ctx, images, ids, pictures, seed)
	if err != nil {
		return Result{}, fmt.Errorf("training step %d: %w", s.steps+1, err)
	}
	var out []float32
	var grads []*tensors.Tensor
	if s.model.Device.Many != nil {
		out, err = s.stepOnMany(ctx, b, lr)
	} else {
		out, grads, err = s.backpropagate(ctx, b)
	}
	if err != nil {
		return Result{}, fmt.Errorf("training step %d: %w", s.steps+1, err)
	}
	res := Result{Loss: float64(out[0]), ImageToTextAcc: float64(out[1]), TextToImageAcc: float64(out[2])}
	diverged := !finite(res.Loss)
	res.Skipped = !diverged && s.scaled() && !finite(float64(out[3]))
	if diverged || res.Skipped {
		for _, g := range grads {
			_ = g.FinalizeAll()
		}
	}
	if diverged {
		return res, fmt.Errorf("training step %d: %w: loss is %v, and the model is as it was; lower the learning rate (now %.3g) or look at the data", s.steps+1, ErrDiverged, res.Loss, lr)
	}
	if res.Skipped {
		if err := s.overflowed(res.Loss, lr); err != nil {
			return res, fmt.Errorf("training step %d: %w", s.steps+1, err)
		}
		grads = nil
	}
	if res.LogitScale, err = s.apply(lr, grads); err != nil {
		return Result{}, fmt.Errorf("training step %d: %w", s.steps+1, err)
	}
	if !res.Skipped {
		s.steps++
		if s.scaled() {
			s.scale = s.scale.After(true)
		}
	}
	return res, nil
}

// Updates is how many AdamW has made, the t of its bias correction.
func (s *Stepper) Updates() int { return s.steps }

// Parameters are what the optimizer updates, in the order of its state, and those at their end that are not the model's (LoRA's factors, siglip's
// bias).
func (s *Stepper) Parameters() (all, own []arch.Tensor) { return s.params, s.own }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Moments are the optimizer's state: two tensors per parameter, named as in the store, and those parameters that are not the model's (LoRA's
// factors, siglip's bias). Each is read from the device when its bytes are asked for.
func (s *Stepper) Moments() []tensor.Tensor { return s.model.Tensors(s.state()...) }

// SetMoments puts the optimizer's state back, with the number of updates that it has seen.
func (s *Stepper) SetMoments(updates int, get func(name string) (shape []int, values []float32, err error)) error {
	for _, t := range s.state() {
		shape, values, err := get(t.Name)
		if err == nil {
			err = s.model.Set(t.Name, shape, values)
		}
		if err != nil {
			return err
		}
	}
	s.steps = updates
	return nil
}

// state is the tensors of the optimizer's state.
func (s *Stepper) state() (list []arch.Tensor) {
	for _, t := range s.params {
		for _, prefix := range MomentPrefixes {
			list = append(list, arch.Tensor{Name: prefix + t.Name, Shape: t.Shape})
		}
	}
	return append(list, s.own...)
}
