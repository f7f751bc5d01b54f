package step

import (
	"fmt"
	"runtime"

	"clipnb/clipkit/device"

	"github.com/gomlx/gomlx/core/tensors"
)

// cards is a world that adds float32 tensors up where they lie, in the memory of each process's card (exchange/hccl).
type cards interface {
	SumOnDevice(addresses []uintptr, lengths []int) error
}

// sumOnCards adds the gradients of all processes up without their passing through the host's memory.
func (s *Stepper) sumOnCards(c cards, grads []*tensors.Tensor) error {
	var addresses []uintptr
	var lengths []int
	err := device.Catch(func() error {
		for i, g := range grads {
			buffer, err := g.Buffer(s.model.Device.Backend, 0)
			if err != nil {
				return err
			}
			g.FinalizeLocal() // a copy on the host would be out of date
			address, err := device.Address(buffer)
			if err != nil {
				return fmt.Errorf("the gradient of %s: %w", s.params[i].Name, err)
			}
			addresses, lengths = append(addresses, address), append(lengths, g.Shape().Size())
		}
		return nil
	})
	if err == nil {
		err = c.SumOnDevice(addresses, lengths)
	}
	runtime.KeepAlive(grads)
	if err != nil {
		return fmt.Errorf("adding up gradients on the cards: %w", err)
	}
	return nil
}
