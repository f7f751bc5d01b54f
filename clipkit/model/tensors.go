package model

import (
	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// Tensors describes tensors of the model, or others that lie in its store, in float32 as files keep them. None is copied before its bytes are asked
// for, and then only where the device's memory is not the host's: a model that is written passes through the memory of its largest tensor.
func (m *Model) Tensors(which ...arch.Tensor) (list []tensor.Tensor) {
	room := new([]uint64) // one for all of them
	for _, t := range which {
		dtype := "F32"
		if t.Int64 {
			dtype = "I64"
		}
		list = append(list, tensor.Lent(t.Name, dtype, t.Shape, func(use func(data []byte) error) error {
			var used error // not of reading, so the message must not say so
			err := m.read(t.Name, m.Device.Backend.HasSharedBuffers(), room, func(x tensor.Tensor) error {
				if x.DType == dtype {
					used = use(x.Data)
					return nil
				}
				values, err := x.Float32()
				if err != nil {
					return err
				}
				x = tensor.F32(t.Name, t.Shape, values)
				if t.Int64 {
					x = tensor.I64(t.Name, int64(values[0]))
				}
				used = use(x.Data)
				return nil
			})
			if err != nil {
				return err
			}
			return used
		}))
	}
	return list
}
