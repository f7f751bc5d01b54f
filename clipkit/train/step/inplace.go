package step

import (
	"fmt"

	"clipnb/clipkit/device"
	"clipnb/clipkit/train/adamw"

	"github.com/gomlx/gomlx/core/tensors"
)

// Where the processor is the device, weights and moments are updated where they lie, in one pass over the memory. A graph would put the new
// ones elsewhere, and 2.3 GB that move about in every step of ViT-B-16 leave holes that its activations no longer fit into: the process took
// 7.1 GB in place of 5.0.

// inPlace tells whether the device's memory is the host's.
func (s *Stepper) inPlace() bool { return !s.graphUpdates && s.model.Device.Backend.HasSharedBuffers() }

// hostValues are a tensor's values on a device whose memory is the host's; they may be changed.
func (s *Stepper) hostValues(t *tensors.Tensor) (values []float32, err error) {
	err = device.Catch(func() error {
		buffer, err := t.Buffer(s.model.Device.Backend, 0)
		if err != nil {
			return err
		}
		t.FinalizeLocal() // a copy on the host would be out of date
		flat, err := buffer.Data()
		if err == nil {
			values = flat.([]float32)
		}
		return err
	})
	return values, err
}

// updateInPlace is updateGraph for one parameter.
func (s *Stepper) updateInPlace(t [4]*tensors.Tensor, scalars [3]float32) error {
	var x [4][]float32
	for i := range t {
		var err error
		if x[i], err = s.hostValues(t[i]); err != nil {
			return err
		}
	}
	if err := adamw.InPlace(s.constants(), x[0], x[1], x[2], x[3], scalars); err != nil {
		return fmt.Errorf("value %v, gradient %v: %w", t[0].Shape(), t[3].Shape(), err)
	}
	return t[3].FinalizeAll()
}

// addInPlace adds x to sum and frees it.
func (s *Stepper) addInPlace(sum, x *tensors.Tensor) error {
	a, err := s.hostValues(sum)
	if err != nil {
		return err
	}
	b, err := s.hostValues(x)
	if err != nil {
		return err
	}
	if err := adamw.AddTo(a, b); err != nil {
		return err
	}
	return x.FinalizeAll()
}
