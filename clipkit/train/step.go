package train

import (
	"fmt"
	"math"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/model"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// maxLogitScale keeps exp(logit_scale) at or below 100 (SPEC §1.7).
const maxLogitScale = 4.6052

// Stepper runs optimizer steps on a model: forward, gradients and AdamW are one compiled graph per batch shape.
// Parameters and moments stay on the device; a step moves the batch in and four numbers out.
type Stepper struct {
	model  *model.Model
	config Config
	params []arch.Tensor // in the order of Parameters
	exec   *gomodel.Exec
	steps  int // updates done, the t of AdamW's bias correction
}

// StepResult is what one step reports, all from before its update except LogitScale.
type StepResult struct {
	Loss           float64
	ImageToTextAcc float64 // share of the batch, 0..1
	TextToImageAcc float64
	LogitScale     float64 // the parameter after the update and the clamp
}

// NewStepper prepares a model for training with fresh (zero) moments.
func NewStepper(m *model.Model, cfg Config) (*Stepper, error) {
	s := &Stepper{model: m, config: cfg, params: Parameters(m.Config)}
	for _, t := range s.params {
		for _, moment := range moments {
			if _, err := m.Store.CreateVariable(moment+t.Name, tensors.FromShape(shapes.Make(dtypes.Float32, t.Shape...))); err != nil {
				return nil, fmt.Errorf("allocating the optimizer's %s%s: %w", moment, t.Name, err)
			}
		}
	}
	err := device.Catch(func() (err error) {
		s.exec, err = gomodel.NewExec(m.Device.Backend, m.Store, s.graph)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("preparing training: %w", err)
	}
	return s, nil
}

// moments are the names under which the optimizer's state lies beside the parameters.
var moments = []string{"adamw.m/", "adamw.v/"}

// Close frees the compiled graph and the moments; the model keeps its parameters.
func (s *Stepper) Close() {
	s.exec.Finalize()
	for _, t := range s.params {
		for _, moment := range moments {
			_ = s.model.Store.DeleteVariable("/" + moment + t.Name)
		}
	}
}

// graph is the whole step. scalars is [3]: decay, step size and √bias of adamScalars; random is the dropout generator's state.
func (s *Stepper) graph(scope *gomodel.Scope, images, ids, scalars, random *Node) *Node {
	g, store := images.Graph(), scope.Store()
	p := model.NewParams(s.model.Config, store, g)
	p.Training = true
	if s.model.Config.TextDropout > 0 || s.model.Config.TextAttnDropout > 0 {
		p.Random = random
	}
	img, txt, scale := model.Forward(p, images, ids)
	loss, imageToText, textToImage := Contrastive(img, txt, scale)

	values := make([]*Node, len(s.params))
	for i, t := range s.params {
		values[i] = p.At(t.Name)
	}
	grads := Gradient(loss, values...)
	scalar := func(i int) *Node { return Reshape(Slice(scalars, AxisRange(i, i+1))) }
	decay, stepSize, sqrtBias := scalar(0), scalar(1), scalar(2)
	logitScale := p.At("logit_scale")
	for i, t := range s.params {
		m, v := store.GetVariable("/"+moments[0]+t.Name), store.GetVariable("/"+moments[1]+t.Name)
		d := decay
		if NoDecay(t.Name) {
			d = nil
		}
		w, newM, newV := adamW(values[i], m.NodeValue(g), v.NodeValue(g), grads[i], d, stepSize, sqrtBias, s.config.Beta1, s.config.Beta2, s.config.Epsilon)
		if t.Name == "logit_scale" {
			w = ClipScalar(w, 0, maxLogitScale)
			logitScale = w
		}
		p.Put(t.Name, w)
		m.SetNodeValue(newM)
		v.SetNodeValue(newV)
	}
	return Stack([]*Node{loss, imageToText, textToImage, logitScale}, 0)
}

// Step trains on one batch: images [n,3,R,R], ids [n,T], with the given learning rate. seed keys the dropout of this step.
func (s *Stepper) Step(images []float32, ids []int32, n int, lr float64, seed uint64) (StepResult, error) {
	r := s.model.Config.ImageResolution
	if n < 1 || len(images) != n*3*r*r || len(ids)%n != 0 || len(ids) == 0 {
		return StepResult{}, fmt.Errorf("training step: %d image values and %d ids do not make a batch of %d at %d×%d", len(images), len(ids), n, r, r)
	}
	a := newAdamScalars(lr, s.config.WeightDecay, s.config.Beta1, s.config.Beta2, s.steps+1)
	in := []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(images, n, 3, r, r),
		tensors.FromFlatDataAndDimensions(ids, n, len(ids)/n),
		tensors.FromFlatDataAndDimensions([]float32{a.decay, a.stepSize, a.sqrtBias}, 3),
		tensors.FromFlatDataAndDimensions([]uint64{seed, uint64(s.steps), 0x9E3779B97F4A7C15}, 3),
	}
	var out []float32
	err := device.Catch(func() error {
		res, err := s.exec.Call(in[0], in[1], in[2], in[3])
		if err != nil {
			return err
		}
		out, err = tensors.CopyFlatData[float32](res[0])
		res[0].FinalizeAll()
		return err
	})
	for _, t := range in {
		t.FinalizeAll()
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
