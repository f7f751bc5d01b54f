package model

import (
	"fmt"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/weights"

	"github.com/gomlx/compute/dtypes"
)

// Precision is how a model keeps its weights and multiplies. Sums, norms, softmax, activations and features are float32 always.
type Precision string

const (
	// F32 is the default everywhere, and the only one that trains. It is what the reference's training and feature extraction use.
	F32 Precision = "f32"
	// BF16 rounds both operands of every product: half the memory, and about twice as fast on a CPU with bf16 instructions (AVX512_BF16, AMX;
	// without them slower than F32). Features agree to about two digits.
	BF16 Precision = "bf16"
	// F16 rounds the weights to float16 as the reference's quick API (load_from_name) does, also on a CPU, where it then multiplies in float32,
	// as here: its features are that API's. Speed and memory are F32's. On an NPU products are in float16, too, as there on CUDA.
	F16 Precision = "f16"
)

// Check refuses other words.
func (p Precision) Check() error {
	switch p {
	case F32, BF16, F16:
		return nil
	}
	return fmt.Errorf("unknown precision %q, want %q, %q or %q", string(p), F32, BF16, F16)
}

// CheckOn refuses what a device's engine cannot do, besides other words: no ONNX Runtime that compute-onnx opens has bf16.
func (p Precision) CheckOn(dev *device.Device) error {
	if err := p.Check(); err != nil {
		return err
	}
	if p == BF16 && !hasBF16(dev) {
		return fmt.Errorf("precision %q is not to be had on %s: take %q; an NPU may compute in bf16 by itself (option precision of the device)", string(p), dev, string(F16))
	}
	return nil
}

func hasBF16(dev *device.Device) bool { return dev.Engine == "xla" || dev.Engine == "go" }

// Mixed is the half precision in which a float32 model trains on a device when nobody says which (the reference's amp): BF16, which needs no
// loss scale, where the engine has it, else F16.
func Mixed(dev *device.Device) Precision {
	if hasBF16(dev) {
		return BF16
	}
	return F16
}

// compute is the type of a product's operands when a model is used on a device.
func (p Precision) compute(dev *device.Device) dtypes.DType {
	switch {
	case p == BF16:
		return dtypes.BFloat16
	case p == F16 && dev.IsNPU():
		return dtypes.Float16
	}
	return dtypes.Float32
}

// Products is the type of a product's operands when a float32 model trains in this precision.
func (p Precision) Products() dtypes.DType {
	switch p {
	case BF16:
		return dtypes.BFloat16
	case F16:
		return dtypes.Float16
	}
	return dtypes.Float32
}

// stored is the type in which a tensor is kept: the reference's rule (cn_clip/clip/model.py:441) says which of them are halved.
func (p Precision) stored(t arch.Tensor, dev *device.Device) dtypes.DType {
	switch {
	case t.Int64:
		return dtypes.Int64
	case weights.HalfByReference(t.Name):
		return p.compute(dev)
	}
	return dtypes.Float32
}

// fileType is the name that weight files give to a type.
var fileType = map[dtypes.DType]string{dtypes.Float32: "F32", dtypes.BFloat16: "BF16", dtypes.Float16: "F16", dtypes.Int64: "I64"}
