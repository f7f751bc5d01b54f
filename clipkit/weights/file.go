package weights

import (
	"bytes"
	"fmt"
	"os"

	"github.com/edsrzf/mmap-go"
)

// File is an open file of named tensors, or a byte slice that holds one. Nothing is copied: a Tensor's Data points into the mapped file.
type File struct {
	Metadata   map[string]string // of a safetensors file
	Checkpoint *Checkpoint       // of a .pt file: epoch, step, name, optimizer

	name    string
	mapped  mmap.MMap // nil when the bytes are the caller's
	order   []string  // by position in the file
	tensors map[string]Tensor
}

// Open maps a file and reads what it holds, by its content and not by its name: safetensors, or PyTorch's .pt (zip or legacy container).
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: an empty file, or not a file", path, ErrFormat)
	}
	mapped, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("mapping weights %s: %w", path, err)
	}
	file, err := Parse(path, mapped)
	if err != nil {
		_ = mapped.Unmap()
		return nil, err
	}
	file.mapped = mapped
	return file, nil
}

// Parse reads a file that is in memory already; data stays in use. name is for messages.
func Parse(name string, data []byte) (*File, error) {
	if looksLikePyTorch(data) {
		order, tensors, ck, err := parsePyTorch(name, data)
		if err != nil {
			return nil, err
		}
		return &File{name: name, order: order, tensors: tensors, Checkpoint: ck}, nil
	}
	f, err := parseSafetensors(name, data)
	if err != nil {
		if kind := otherKind(data); kind != "" {
			return nil, fmt.Errorf("%s: %w: it is %s", name, ErrFormat, kind)
		}
	}
	return f, err
}

// looksLikePyTorch: a zip archive, or a pickle of protocol 2 and up. The length that opens a safetensors file is below 100 MB, so its
// fourth to eighth bytes are zero and it never looks so.
func looksLikePyTorch(data []byte) bool {
	return bytes.HasPrefix(data, []byte("PK\x03\x04")) || (len(data) > 8 && data[0] == 0x80 && data[7] != 0)
}

// Name is the path, or what Parse was told.
func (f *File) Name() string { return f.name }

// Names lists the tensors in the order of the file.
func (f *File) Names() []string { return f.order }

// Tensor finds one by name.
func (f *File) Tensor(name string) (Tensor, error) {
	t, ok := f.tensors[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s has no tensor %q", f.name, name)
	}
	if t.build != nil {
		t.Data, t.build = t.build(), nil
	}
	return t, nil
}

// Close unmaps the file; tensors that came from it must not be used any more.
func (f *File) Close() error {
	if f.mapped == nil {
		return nil
	}
	f.tensors = nil
	err := f.mapped.Unmap()
	f.mapped = nil
	return err
}
