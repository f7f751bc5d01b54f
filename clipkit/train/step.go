package train

import (
	"fmt"
	"math"
	"slices"

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
	params []arch.Tensor // what the optimizer updates, in the order of Parameters
	own    []arch.Tensor // those of params that are not the model's
	scales []float64     // the different shares of the learning rate
	group  []int         // of each of params, the index of its share in scales
	steps  int           // updates done, the t of AdamW's bias correction
	noise  func(seed uint64, n int) []float32

	adapters []adapter // of LoRA

	whole, features, backward, update graphs
}

// StepResult is what one step reports, all from before its update except LogitScale.
type StepResult struct {
	Loss           float64 // with the share of the teacher, if there is one
	ImageToTextAcc float64 // share of the batch, 0..1
	TextToImageAcc float64
	LogitScale     float64 // the parameter after the update and the clamp
}

// siglipBias is the parameter that the siglip loss brings with it. It lies beside the moments and is no part of the model's state dict.
var siglipBias = arch.Tensor{Name: "siglip.bias"}

// NewStepper prepares a model for training with fresh (zero) moments. It honours these settings: beta1, beta2, eps, weight_decay,
// layer_lr_decay, loss, siglip_bias, multi_positive, kd_loss_weight, accum_freq, mask_ratio, freeze_vision, lora_rank, lora_alpha,
// grad_checkpointing and trim_text (and of seed, what LoRA begins with); the rest is the Job's.
func NewStepper(m *model.Model, cfg Config) (*Stepper, error) {
	if err := cfg.checkStep(m.Config); err != nil {
		return nil, err
	}
	if m.Precision() != model.F32 {
		return nil, fmt.Errorf("%w: the model's precision is %s, want %s: only float32 models train", ErrConfig, m.Precision(), model.F32)
	}
	s := &Stepper{model: m, config: cfg}
	if err := s.chooseParameters(); err != nil {
		s.Close()
		return nil, err
	}
	s.noise = s.patchNoise
	s.whole.build, s.features.build, s.backward.build, s.update.build = s.wholeGraph, s.featuresGraph, s.backwardGraph, s.updateGraph
	if err := s.allocate(moments...); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// chooseParameters says what is trained, and makes what the model does not have.
func (s *Stepper) chooseParameters() error {
	cfg := s.model.Config
	if s.config.LoRARank > 0 {
		s.adapters = adapters(cfg, s.config.LoRARank, s.config.FreezeVision)
		if err := s.adapt(); err != nil {
			return err
		}
	} else {
		s.params = s.config.trained(cfg)
	}
	if s.config.Loss == "siglip" {
		s.own = append(s.own, siglipBias)
		if _, err := s.model.Store.CreateVariable(siglipBias.Name, tensors.FromScalar(float32(s.config.SigLIPBias))); err != nil {
			return fmt.Errorf("allocating %s: %w", siglipBias.Name, err)
		}
	}
	s.params = append(s.params, s.own...)
	for _, t := range s.params {
		scale := LayerScale(cfg, t.Name, s.config.LayerDecay)
		i := slices.Index(s.scales, scale)
		if i < 0 {
			i, s.scales = len(s.scales), append(s.scales, scale)
		}
		s.group = append(s.group, i)
	}
	return nil
}

// visionFrozen: a ResNet has no blocks for LoRA, so with it nothing of it trains.
func (s *Stepper) visionFrozen() bool {
	return s.config.FreezeVision || s.config.LoRARank > 0 && s.model.Config.IsResNet()
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

// Close frees the compiled graphs, the moments and the gradients; the model keeps its parameters, with LoRA's additions in them.
func (s *Stepper) Close() {
	for _, g := range []*graphs{&s.whole, &s.features, &s.backward, &s.update} {
		g.close()
	}
	for _, t := range s.params {
		for _, prefix := range append(moments, gradients) {
			_ = s.model.Store.DeleteVariable("/" + prefix + t.Name) // gradients exist only where they were accumulated
		}
	}
	for _, t := range s.own {
		_ = s.model.Store.DeleteVariable("/" + t.Name)
	}
	for _, ad := range s.adapters {
		_ = s.model.Store.DeleteVariable("/" + loraBase + ad.matrix.Name)
	}
}

// wholeGraph is a step without accumulation. in: adamScalars [scales,3], then a batch.
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
	p.Training, p.Recompute = true, s.config.Recompute
	if cfg.TextDropout > 0 || cfg.TextAttnDropout > 0 {
		p.Random = b.random
	}
	vision := p
	if s.visionFrozen() {
		vision = model.NewParams(cfg, store, g)
	}
	vision.Keep = b.keep
	images = L2Normalize(model.VisualFeatures(vision, b.images), -1)
	if s.visionFrozen() {
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
	if s.config.Loss == "siglip" {
		loss, imageToText, textToImage = SigLIP(images, texts, scale, s.value(scope, b.images.Graph(), siglipBias.Name), b.positives)
	} else {
		loss, imageToText, textToImage = Contrastive(images, texts, scale, b.positives)
	}
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
	if s.config.LoRARank > 0 {
		return s.loraGradients(scope, loss)
	}
	values := make([]*Node, len(s.params))
	for i, t := range s.params {
		values[i] = s.value(scope, loss.Graph(), t.Name)
	}
	return Gradient(loss, values...)
}

// adamW updates every parameter and its moments, and clamps the logit scale, which it returns. scalars are adamScalars, [scales,3].
func (s *Stepper) adamW(scope *gomodel.Scope, scalars *Node, grads []*Node) (logitScale *Node) {
	g, store := scalars.Graph(), scope.Store()
	rows := make([][3]*Node, len(s.scales))
	for row := range rows {
		for i := range rows[row] {
			rows[row][i] = Reshape(Slice(scalars, AxisRange(row, row+1), AxisRange(i, i+1)))
		}
	}
	updated := map[string]*Node{}
	for i, t := range s.params {
		w, m, v := store.GetVariable("/"+t.Name), store.GetVariable("/"+moments[0]+t.Name), store.GetVariable("/"+moments[1]+t.Name)
		row := rows[s.group[i]]
		decay, stepSize, sqrtBias := row[0], row[1], row[2]
		if NoDecay(t.Name) {
			decay = nil
		}
		newW, newM, newV := adamW(w.NodeValue(g), m.NodeValue(g), v.NodeValue(g), grads[i], decay, stepSize, sqrtBias, s.config.Beta1, s.config.Beta2, s.config.Epsilon)
		if t.Name == "logit_scale" {
			newW = ClipScalar(newW, 0, maxLogitScale)
			logitScale = newW
		}
		w.SetNodeValue(newW)
		m.SetNodeValue(newM)
		v.SetNodeValue(newV)
		updated[t.Name] = newW
	}
	s.merge(scope, g, updated)
	if logitScale == nil { // LoRA leaves it alone
		logitScale = s.value(scope, g, "logit_scale")
	}
	return logitScale
}

// Step trains on one batch: images [n,3,R,R], ids [n,T], with the given learning rate. seed keys the dropout and the masks of this step.
// With accum_freq k the batch is k micro-batches of n/k, one after the other. The pictures count as all different (StepOn tells otherwise).
func (s *Stepper) Step(images []float32, ids []int32, n int, lr float64, seed uint64) (StepResult, error) {
	return s.StepOn(images, ids, different(n), lr, seed)
}

// StepOn is Step for pictures with these ids [n]. multi_positive needs to know which are the same: augmentation makes their pixels differ.
func (s *Stepper) StepOn(images []float32, ids []int32, pictures []int64, lr float64, seed uint64) (StepResult, error) {
	b, err := s.batch(images, ids, pictures, seed)
	if err != nil {
		return StepResult{}, fmt.Errorf("training step %d: %w", s.steps+1, err)
	}
	a := adamScalars(lr, s.scales, s.config.WeightDecay, s.config.Beta1, s.config.Beta2, s.steps+1)
	scalars := tensors.FromFlatDataAndDimensions(a, len(s.scales), 3)
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

// Moments copies the optimizer's state out: two tensors per parameter, named as in the store, and those parameters that are not the model's
// (LoRA's factors, siglip's bias).
func (s *Stepper) Moments(each func(name string, shape []int, values []float32) error) error {
	for _, name := range s.stateNames() {
		shape, values, err := s.model.Get(name)
		if err == nil {
			err = each(name, shape, values)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SetMoments puts the optimizer's state back, with the number of updates that it has seen.
func (s *Stepper) SetMoments(updates int, get func(name string) (shape []int, values []float32, err error)) error {
	for _, name := range s.stateNames() {
		shape, values, err := get(name)
		if err == nil {
			err = s.model.Set(name, shape, values)
		}
		if err != nil {
			return err
		}
	}
	s.steps = updates
	return nil
}

// stateNames are the tensors of the optimizer's state.
func (s *Stepper) stateNames() (names []string) {
	for _, t := range s.params {
		names = append(names, moments[0]+t.Name, moments[1]+t.Name)
	}
	for _, t := range s.own {
		names = append(names, t.Name)
	}
	return names
}
