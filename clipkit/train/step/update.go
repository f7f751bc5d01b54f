package step

import (
	"fmt"

	"clipnb/clipkit/device"
	"clipnb/clipkit/train/adamw"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// On a device with memory of its own the update runs group by group, a transformer block at a time. An engine gives every output memory of its
// own, so updating all at once would hold weights and moments twice; and as blocks are alike, few graphs are compiled. inplace.go has the rest.

// updateGraph is AdamW for k parameters. in: the scalars of each, [k,3]; then of each its value, its two moments and its gradient.
// out: of each the new value and moments.
func (s *Stepper) updateGraph(in []*Node) (out []*Node) {
	scalars, in := in[0], in[1:]
	for i := range scalars.Shape().Dim(0) {
		scalar := func(k int) *Node { return Reshape(Slice(scalars, AxisElem(i), AxisElem(k))) }
		w, m, v := adamw.UpdateGraph(s.constants(), in[4*i], in[4*i+1], in[4*i+2], in[4*i+3], scalar(0), scalar(1), scalar(2))
		out = append(out, w, m, v)
	}
	return out
}

// apply updates every trained parameter, which takes the gradients, and clamps the logit scale, which it returns. Without gradients it only clamps.
func (s *Stepper) apply(lr float64, grads []*tensors.Tensor) (logitScale float64, err error) {
	if grads != nil {
		for _, group := range s.groups {
			if err := s.applyTo(group, lr, grads); err != nil {
				return 0, fmt.Errorf("updating %s and others: %w", s.params[group[0]].Name, err)
			}
		}
		if err := s.merge(); err != nil {
			return 0, err
		}
	}
	_, scale, err := s.model.Get("logit_scale")
	if err != nil {
		return 0, err
	}
	if clamped := min(max(scale[0], 0), maxLogitScale); clamped != scale[0] {
		scale[0] = clamped
		err = s.model.Set("logit_scale", nil, scale)
	}
	return float64(scale[0]), err
}

// constants of AdamW.
func (s *Stepper) constants() adamw.Constants {
	return adamw.Constants{Beta1: s.config.Beta1, Beta2: s.config.Beta2, Epsilon: s.config.Epsilon, Share: s.config.gradientShare()}
}

// scalarsOf are adamw.Scalars of the i-th parameter.
func (s *Stepper) scalarsOf(i int, lr float64) [3]float32 {
	scalars := adamw.Scalars(lr*s.scales[i], s.config.WeightDecay, s.config.Beta1, s.config.Beta2, s.steps+1)
	if adamw.NoDecay(s.params[i].Name) {
		scalars[0] = 1
	}
	return scalars
}

// applyTo updates the parameters of a group.
func (s *Stepper) applyTo(group []int, lr float64, grads []*tensors.Tensor) error {
	var all []float32
	var in []*tensors.Tensor
	var names []string
	for _, i := range group {
		t, scalars := s.params[i], s.scalarsOf(i, lr)
		var four [4]*tensors.Tensor
		for k, name := range []string{t.Name, MomentPrefixes[0] + t.Name, MomentPrefixes[1] + t.Name} {
			value, err := s.store.GetVariable("/" + name).Value()
			if err != nil {
				return err
			}
			four[k], names = value, append(names, name)
		}
		four[3] = grads[i]
		if s.inPlace() {
			if err := s.updateInPlace(four, scalars); err != nil {
				return err
			}
			continue
		}
		all, in = append(all, scalars[:]...), append(in, four[:]...)
	}
	if s.inPlace() {
		return nil
	}
	out, err := s.update.Run(s.model.Device, append([]*tensors.Tensor{tensors.FromFlatDataAndDimensions(all, len(group), 3)}, in...)...)
	for i := 0; err == nil && i < len(names); i++ {
		err = s.put(names[i], out[i])
	}
	return err
}

// put makes value that of a variable.
func (s *Stepper) put(name string, value *tensors.Tensor) error {
	return device.Catch(func() error { return s.store.GetVariable("/" + name).SetValue(value) })
}

// addGraph adds the second half of its inputs to the first.
func addGraph(in []*Node) (out []*Node) {
	k := len(in) / 2
	for i := range k {
		out = append(out, Add(in[i], in[k+i]))
	}
	return out
}

// accumulateInto adds gradients to sums, group by group, and takes both.
func (s *Stepper) accumulateInto(sums, grads []*tensors.Tensor) error {
	if s.inPlace() {
		for i := range sums {
			if err := s.addInPlace(sums[i], grads[i]); err != nil {
				return fmt.Errorf("adding up gradients: %w", err)
			}
		}
		return nil
	}
	for _, group := range s.groups {
		var in []*tensors.Tensor
		for _, list := range [][]*tensors.Tensor{sums, grads} {
			for _, i := range group {
				in = append(in, list[i])
			}
		}
		out, err := s.add.Run(s.model.Device, in...)
		if err != nil {
			return fmt.Errorf("adding up gradients: %w", err)
		}
		for k, i := range group {
			sums[i] = out[k]
		}
	}
	return nil
}
