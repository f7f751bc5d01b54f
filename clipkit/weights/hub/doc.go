// Package hub finds the published weights of Chinese-CLIP: on disk, or by downloading them.
//
//	path, err := hub.Locate(ctx, "ViT-B-16", hub.Options{Folder: "pretrained_weights"})
//	f, cfg, err := weights.OpenModel(path)
//
// Published lists the five names, FindRelease gives the file that belongs to one. Where Locate looks and from where it downloads is said
// there; CLIPKIT_WEIGHTS, CLIPKIT_MIRROR, HF_ENDPOINT, CLIPKIT_OFFLINE and HF_HUB_OFFLINE change it.
//
// # Downloads
//
// Downloads continue where they stopped and are checked (package internal/download); no more is taken than four times the model's float32 values.
//
// # Errors
//
// ErrNotPublished: no weights exist under that name. ErrOffline: they are not on disk and downloading is forbidden; the error says where to
// put the file and where it is published. ErrDownload: what every server answered.
package hub
