package model

import (
	"fmt"

	"clipnb/clipkit/arch"
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
	// as here: its features are that API's. Speed and memory are F32's.
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

// compute is the type of a product's operands.
func (p Precision) compute() dtypes.DType {
	if p == BF16 {
		return dtypes.BFloat16
	}
	return dtypes.Float32
}

// stored is the type in which a tensor is kept: the reference's rule says which of them are halved (SPEC §1.9).
func (p Precision) stored(t arch.Tensor) dtypes.DType {
	switch {
	case t.Int64:
		return dtypes.Int64
	case weights.HalfByReference(t.Name):
		return p.compute()
	}
	return dtypes.Float32
}

// fileType is the name that weight files give to a type.
var fileType = map[dtypes.DType]string{dtypes.Float32: "F32", dtypes.BFloat16: "BF16", dtypes.Int64: "I64"}
