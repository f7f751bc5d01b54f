// Package weights finds, reads and writes model weights. Reading never executes anything.
//
//	path, err := weights.Locate(ctx, "ViT-B-16", weights.Options{Folder: "pretrained_weights"}) // on disk already, or downloaded
//	f, cfg, err := weights.OpenModel(path)        // .pt, .safetensors or a folder of transformers; which model it is
//	defer f.Close()
//	err = weights.Load(m, cfg, f)                 // strict: every name and shape must match
//	err = weights.Write("out.pt", cfg, tensors, &weights.Checkpoint{Name: "mine"})
//	err = weights.Convert("clip_cn_vit-b-16.pt", "folder-for-transformers", weights.ConvertOptions{})
//
// Files are memory-mapped; a tensor's bytes are the file's own until the device copies them. LoadInit starts training from an OpenAI CLIP
// and a BERT.
//
// # PyTorch's .pt
//
// Both containers are read, zip and legacy, with every dtype of numbers, shared storages and views, Parameters and numpy's scalars. The
// pickle in them is read by internal/pickle, which knows the handful of names that state dicts are made of; any other, os.system for one,
// is an error that names it. A file that is something else (a whole pickled model, a page of HTML, a pointer of Git LFS, …) is called that.
//
// # safetensors
//
// An 8-byte little-endian header length, a JSON header {"name": {"dtype","shape","data_offsets"}}, and the data. Everything in the header is
// checked before use: its length (100 MB at most), the types, that shape and offsets agree, that no two tensors overlap and that no byte
// of the data is unclaimed. The library for Go that exists for this format is not published in versions, so the reader is ours.
//
// # Errors
//
// ErrFormat: damaged, or not what it seems. ErrMismatch: sound, but not the model that is asked for; the error says what it is or lists what
// differs. ErrOffline, ErrDownload, ErrNotPublished, ErrNoHF: see there. All name the file and the tensor.
package weights
