package lower

import (
	"fmt"

	"github.com/gomlx/compute"
)

// The fused operations are refused, and GoMLX builds them from simpler ones. FusedSoftmax stays: it is one Softmax.

func refused(op string) error { return fmt.Errorf("%s on an NPU: %w", op, compute.ErrNotImplemented) }

func (f *function) FusedLayerNorm(compute.Value, []int, float64, compute.Value, compute.Value) (compute.Value, error) {
	return nil, refused("FusedLayerNorm")
}

func (f *function) FusedGelu(compute.Value, bool) (compute.Value, error) {
	return nil, refused("FusedGelu")
}

func (f *function) FusedDense(_, _, _ compute.Value, _ compute.DenseConfig) (compute.Value, error) {
	return nil, refused("FusedDense")
}

func (f *function) FusedScaledDotProductAttention(_, _, _ compute.Value, _ compute.AttentionAxesLayout,
	_ *compute.ScaledDotProductAttentionConfig) (compute.Value, []compute.Value, error) {
	return nil, nil, refused("FusedScaledDotProductAttention")
}

func (f *function) FusedAttentionQKVProjection(_, _, _, _, _ compute.Value, _, _ int) (q, k, v compute.Value, err error) {
	return nil, nil, nil, refused("FusedAttentionQKVProjection")
}
