package step

// #cgo CFLAGS: -O3
// #cgo noescape adamw
// #cgo nocallback adamw
// #cgo noescape add_to
// #cgo nocallback add_to
// #include "kernels.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"clipnb/clipkit/device"

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
		if len(x[i]) != len(x[0]) {
			return fmt.Errorf("value %v, moment or gradient %v", t[0].Shape(), t[i].Shape())
		}
	}
	c, share := s.config, s.config.gradientShare()
	k := C.adamw_scalars{decay: C.float(scalars[0]), step: C.float(scalars[1]), sqrt_bias: C.float(scalars[2]),
		beta1: C.float(c.Beta1), rest1: C.float((1 - c.Beta1) * share), beta2: C.float(c.Beta2), rest2: C.float((1 - c.Beta2) * share * share), epsilon: C.float(c.Epsilon)}
	onAllCores(len(x[0]), func(from, to int) {
		C.adamw(floats(x[0][from:to]), floats(x[1][from:to]), floats(x[2][from:to]), floats(x[3][from:to]), C.size_t(to-from), k)
	})
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
	if len(a) != len(b) {
		return fmt.Errorf("adding %v to %v", x.Shape(), sum.Shape())
	}
	onAllCores(len(a), func(from, to int) { C.add_to(floats(a[from:to]), floats(b[from:to]), C.size_t(to-from)) })
	return x.FinalizeAll()
}

func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

// onAllCores does n pieces of work in as many parts as there are processors, or in one where they are few.
func onAllCores(n int, part func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), 1+n/(1<<16))
	var wait sync.WaitGroup
	for i := range parts {
		wait.Go(func() { part(i*n/parts, (i+1)*n/parts) })
	}
	wait.Wait()
}
