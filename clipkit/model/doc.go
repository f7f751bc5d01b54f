// Package model builds the two towers of Chinese-CLIP as GoMLX graphs and holds their parameters.
//
//	m, err := model.New(cfg, dev)              // every tensor allocated, zero
//	err = m.Init(seed)                         // or weights.Load(m, cfg, file)
//	img, err := m.EncodeImages(ctx, pixels, n) // pixels [n,3,R,R] float32 normalised → [n,D] float32, L2-normalised
//	txt, err := m.EncodeTexts(ctx, ids, n)     // ids [n,T] → [n,D]
//
// The parameters keep the names and shapes of the reference's state dict (arch.Config.Tensors): what is loaded is what is saved.
// Graph functions (VisualFeatures, TextFeatures) are written once for every engine: matrix products are 2-D or
// [B,M,K]×[B,K,N], patches are a reshape and a product, 3×3 convolutions are nine shifted slices and a product (some engines have no
// gradient for strided convolutions, and XLA's own is slow in training), and 1/√x is Inverse(Sqrt(x)).
//
// The reference's own are in cn_clip/clip/{model,modeling_bert}.py. Model.Fingerprint tells models apart, and Ident is what others keep of one.
//
// Graph functions panic by GoMLX's convention; the methods of Model return errors.
package model
