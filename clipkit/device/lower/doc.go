// Package lower keeps the graphs of compute-onnx to what an NPU's execution provider takes whole, so that each is one program on the device and
// nothing travels between it and the processor in the middle.
//
//	npu := lower.Wrap(backend)           // of compute-onnx; graphs built on it consist of lower.Taken
//	model, err := lower.Rewrite(model)   // where a session is made of the serialized graph: checked, and in an older version of ONNX
//
// What is lowered, into what:
//
//	DotGeneral        one MatMul, [M,K]×[K,N] or [B,M,K]×[B,K,N], with transpositions and reshapes around it; never an Einsum
//	ScatterSum        the sum over equal rows as a product, then a ScatterND that overwrites (scatter.go); whole rows of a matrix only
//	RNGBitGenerator   float32 arithmetic instead of operations on bits (random.go): other dropout masks than other engines draw
//	fused operations  refused, so that GoMLX builds them from simple ones; Softmax stays
//
// The rest passes as it is, and Rewrite finds what should not have. Every form of training and encoding of the published ViT models is made of
// Taken (this package's tests), and so are the ResNet's.
//
// Wrap has no state of its own and may be used from several goroutines as the backend may. A tensor of the wrapped backend is not one of the
// bare one. The types in a graph are meant: a provider that computes float32 in half precision by itself spoils AdamW, and random numbers.
//
// # Errors
//
// ErrNotTaken names the operations of a graph that stay outside, ErrModel is for bytes that are no graph. A scatter, a generator or a product that
// cannot be lowered fails while its graph is built.
//
// # Verified
//
// On ONNX Runtime's processor engine, against the same graphs unlowered and against PyTorch's values. ONNX Runtime's own basic optimizer, which works
// before a provider is asked, adds nothing that is not taken, and leaves no operation of constants alone (1.24.4, looked at by hand). A training
// step takes as long as unlowered. Taken was read out of a provider's binary and probed in its partitioner; no NPU has run these graphs.
package lower
