// Package weights reads and writes model weights. Reading never executes anything.
//
//	f, err := weights.Open("model.safetensors")
//	defer f.Close()
//	t, err := f.Tensor("visual.proj")   // t.Shape, t.Float32()
//	err = weights.WriteSafetensors("out.safetensors", tensors, map[string]string{"format": "pt"})
//	err = weights.Load(m, cfg, f)          // strict: every name and shape must match the model
//
// A safetensors file is an 8-byte little-endian header length, a JSON header {"name": {"dtype","shape","data_offsets"}}, and the data.
// Everything in the header is checked before use: its length (100 MB at most), the types, that shape and offsets agree, that no two tensors
// overlap and that no byte of the data is unclaimed. Errors wrap ErrFormat and name the file and the tensor.
//
// The library for Go that exists for this format is not published in versions, so the reader is ours.
package weights
