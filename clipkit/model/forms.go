package model

import (
	"os"
	"strings"

	"clipnb/clipkit/device"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Forms says how a graph computes what there are several ways for. Results are equal up to rounding; which way is faster depends on the device.
type Forms struct {
	// In training, gradients that are written out (half.go, attention.go, layernorm.go, activation.go) instead of GoMLX's own.
	Products, Attention, Norms, Activations bool

	// CuDNN hands attention in a half precision over to cuDNN whole, where the engine can (go-xla on CUDA): without heads that are transposed, scores
	// in memory and float32 between. It has run on no GPU yet.
	CuDNN bool
}

// FormsOn is what a device takes, unless the environment says otherwise, which is how the ways are compared without another build: CLIPKIT_WRITTEN
// lists the gradients that are written out ("products,norms", "all", "none"), CLIPKIT_ATTENTION=cudnn sets CuDNN.
// The gradients of attention were written out for XLA on processors, which are slow at products that sum over the rows of both operands.
func FormsOn(dev *device.Device) Forms {
	f := Forms{Products: true, Attention: dev.IsCPU(), Norms: true, Activations: true}
	words := map[string]*bool{"products": &f.Products, "attention": &f.Attention, "norms": &f.Norms, "activations": &f.Activations}
	if list := os.Getenv("CLIPKIT_WRITTEN"); list != "" {
		for _, set := range words {
			*set = list == "all"
		}
		for word := range strings.SplitSeq(list, ",") {
			set, ok := words[word]
			switch {
			case ok:
				*set = true
			case list != "all" && list != "none":
				Panicf("CLIPKIT_WRITTEN is %q, want all, none, or some of products, attention, norms and activations with commas between", list)
			}
		}
	}
	switch way := os.Getenv("CLIPKIT_ATTENTION"); way {
	case "", "graph":
	case "cudnn":
		f.CuDNN = true
	default:
		Panicf("CLIPKIT_ATTENTION is %q, want graph or cudnn", way)
	}
	return f
}

// wholeAttention is attention by the engine in one operation, for as many queries as keys; ok is false where it has none for this. Padding, which
// mask tells and which comes last in a row, goes as the rows' lengths. q, k, v [B,T,W] → [B,T,W].
func (p *Params) wholeAttention(q, k, v, mask *Node, heads int, rate float64) (mixed *Node, ok bool) {
	drops := p.Training && p.Random != nil && rate > 0
	batch, tokens, width := q.Shape().Dim(0), q.Shape().Dim(1), q.Shape().Dim(2)
	has := q.Graph().Backend().Capabilities().Operations
	if !p.forms.CuDNN || p.attends == dtypes.Float32 || p.Recompute || drops || tokens != k.Shape().Dim(1) || width/heads%8 != 0 ||
		!has[compute.OpTypeFusedScaledDotProductAttention] || !has[compute.OpTypeFusedScaledDotProductAttentionVJP] {
		return nil, false
	}
	part := func(x *Node) *Node { return ConvertDType(Reshape(x, batch, tokens, heads, width/heads), p.attends) }
	var options compute.ScaledDotProductAttentionConfig
	if mask != nil {
		real := ConvertDType(Equal(mask, ZerosLike(mask)), dtypes.Int32)
		length := MaxScalar(Reshape(ReduceSum(real, -1), batch), 1)
		whole := AddScalar(ZerosLike(length), float64(tokens))
		options.QuerySeqLen, options.KeyValueSeqLen = InternalBackendOutputs(whole)[0], InternalBackendOutputs(length)[0]
	}
	y, _ := BackendFusedScaledDotProductAttention(part(q), part(k), part(v), compute.AttentionAxesLayoutBSHD, &options)
	return Reshape(float32Of(y), batch, tokens, width), true
}
