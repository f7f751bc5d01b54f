package tensor

import "bytes"

// OtherKind says what a file is that was taken for weights, by its first bytes; "" for what may be weights. Ask only when the file could not
// be read as weights: the length that opens a safetensors file can, by chance, be the first bytes of a gzip archive.
func OtherKind(data []byte) string {
	head := data[:min(len(data), 512)]
	text := bytes.TrimSpace(head)
	for _, k := range []struct{ magic, kind string }{
		{"<!DOCTYPE", "an HTML page: the download was answered by a web page"},
		{"<!doctype", "an HTML page: the download was answered by a web page"},
		{"<html", "an HTML page: the download was answered by a web page"},
		{"<?xml", "an XML document: the download was answered by an error message"},
		{"version https://git-lfs", "a Git LFS pointer: fetch the file itself (git lfs pull)"},
		{"\x1f\x8b\x08", "a gzip archive: unpack it first"},
		{"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"},
		{"7z\xbc\xaf", "a 7z archive: unpack it first"},
		{"\x89HDF", "an HDF5 file of Keras or TensorFlow"},
		{"GGUF", "a GGUF file of llama.cpp"},
	} {
		if bytes.HasPrefix(text, []byte(k.magic)) {
			return k.kind
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return "a tar archive: unpack it, or if PyTorch before 0.1.10 wrote it, load and save it again with a newer one"
	}
	return ""
}
