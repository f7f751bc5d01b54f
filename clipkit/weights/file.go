package weights

import (
	"errors"
	"fmt"

	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"

	"github.com/edsrzf/mmap-go"
)

// File is an open file of named tensors, or a byte slice that holds one. Nothing is copied: a tensor's Data points into the mapped
// file, but for tensors that do not lie there contiguously.
type File struct {
	Metadata   map[string]string   // of a safetensors file
	Checkpoint *pytorch.Checkpoint // of a .pt file: epoch, step, name, optimizer

	name    string
	mapped  []mmap.MMap // none when the bytes are the caller's, several for a model in several files
	order   []string    // of the tensors: by position in the file
	tensors map[string]tensor.Tensor
}

// Open maps a file and reads what it holds, by its content and not by its name: safetensors, or PyTorch's .pt (zip or legacy container).
func Open(path string) (*File, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: an empty file, or not a file", path, tensor.ErrFormat)
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
	file.mapped = []mmap.MMap{mapped}
	return file, nil
}

// Parse reads a file that is in memory already; data stays in use. name is for messages.
func Parse(name string, data []byte) (*File, error) {
	if pytorch.LooksLike(data) {
		list, ck, err := pytorch.Parse(name, data)
		if err != nil {
			return nil, err
		}
		f := newFile(name, list)
		f.Checkpoint = ck
		return f, nil
	}
	f, err := parseSafetensors(name, data)
	if err != nil {
		if kind := tensor.OtherKind(data); kind != "" {
			return nil, fmt.Errorf("%s: %w: it is %s", name, tensor.ErrFormat, kind)
		}
	}
	return f, err
}

// newFile gives tensors that lie anywhere the look of a file.
func newFile(name string, list []tensor.Tensor) *File {
	f := &File{name: name, tensors: map[string]tensor.Tensor{}}
	for _, t := range list {
		f.order, f.tensors[t.Name] = append(f.order, t.Name), t
	}
	return f
}

// Names lists the tensors in the order of the file.
func (f *File) Names() []string { return f.order }

// Tensor finds one by name.
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	t, ok := f.tensors[name]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("%s has no tensor %q", f.name, name)
	}
	return t.Materialized()
}

// Close unmaps the file; tensors that came from it must not be used any more.
func (f *File) Close() error {
	if f.mapped == nil {
		return nil
	}
	f.tensors = nil
	var errs []error
	for _, m := range f.mapped {
		errs = append(errs, m.Unmap())
	}
	f.mapped = nil
	return errors.Join(errs...)
}
