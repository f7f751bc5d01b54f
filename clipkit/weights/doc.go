// Package weights reads models from files, loads them, and writes them in other forms.
//
//	f, cfg, err := weights.OpenModel(path)        // .pt, .safetensors or a folder of transformers; which model it is
//	defer f.Close()
//	err = weights.Load(m, cfg, f)                 // strict: every name and shape must match
//	err = weights.Write("out.pt", cfg, tensors, &pytorch.Checkpoint{Name: "mine"})
//	err = weights.Convert("clip_cn_vit-b-16.pt", "folder-for-transformers", weights.ConvertOptions{})
//
// Files are memory-mapped, and a tensor is copied when it is used, one after the other: a file that another program cuts short then is an error
// (mapping.ErrCut), and not the end of this program. LoadInit starts training from an OpenAI CLIP and a BERT.
//
// Below this package, weights/tensor holds the named arrays and weights/pytorch reads and writes .pt files, whose pickles are never executed.
// Beside it, weights/hub finds and downloads the published weights.
//
// # From a file to a model
//
// Open (file.go) knows a format by its content. The names in a file tell the layout: the reference's own, the one of its flash attention
// (flash.go), or transformers' (hf.go, shards.go); File.reference brings each to the first, without what wrappers put before the names.
// Architecture (match.go) finds which model it is, and Load (load.go) compares every name and shape before it sets a tensor.
//
// # safetensors
//
// An 8-byte little-endian header length, a JSON header {"name": {"dtype","shape","data_offsets"}}, and the data. Everything in the header is
// checked before use: its length (100 MB at most), the number of tensors (100,000), that no name and no key occurs twice or in another case, the
// types, that shape and offsets agree, that no two tensors overlap and that no byte of the data is unclaimed. A header is read in place (header.go), in
// less than 64 MB beside itself: 20 MB that name 360,000 empty tensors take 0.1 s and 46 MB until they are refused (4.2 s and 206 MB with encoding/json,
// which read them), 24 MB of metadata 0.03 s and 10 MB (2.5 s, 232 MB); internal/faults measures. The library for Go that exists for this format is not published in versions, so the reader is ours.
//
// # Errors
//
// tensor.ErrFormat: damaged, or not what it seems. ErrMismatch: sound, but not the model that is asked for; the error says what it is or lists
// what differs. ErrNoHF: transformers has no form for the model. tensor.ErrNotFinite: values are NaN or infinite (AllowNotFinite lets them pass). All name
// the file and the tensor.
package weights
