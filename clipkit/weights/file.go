package weights

import (
	"errors"
	"fmt"
	"os"

	"clipnb/clipkit/internal/intact"
	"clipnb/clipkit/internal/mapping"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// File is an open file of named tensors, or a byte slice that holds one. A file is mapped, and a tensor of it copied when its bytes are used; one of a
// byte slice points into it, but for tensors that do not lie there contiguously.
type File struct {
	Metadata   map[string]string   // of a safetensors file
	Checkpoint *pytorch.Checkpoint // of a .pt file: epoch, step, name, optimizer
	Remarks    []string            // what loading and converting found and let pass

	name    string
	mapped  []*mappedFile // none when the bytes are the caller's, several for a model in several files
	order   []string      // of the tensors: by position in the file
	tensors map[string]tensor.Tensor
}

// Open maps a file and reads what it holds, by its content and not by its name: safetensors, or PyTorch's .pt (zip or legacy container). One that was
// downloaded is compared with its SHA-256 once (package intact).
func Open(path string) (*File, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	file, err := openMapped(path, f)
	if err == nil {
		if err = intact.Verify(path); err != nil { // after it: a file that is no weights at all is called that
			_ = file.Close()
			return nil, fmt.Errorf("opening weights: %w: %w", tensor.ErrFormat, err)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return file, nil
}

func openMapped(path string, f *os.File) (file *File, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: an empty file, or not a file", path, tensor.ErrFormat)
	}
	mapped, err := mapFile(f)
	if err != nil {
		return nil, fmt.Errorf("mapping weights %s: %w", path, err)
	}
	err = mapped.guard(func() (err error) {
		file, err = Parse(path, mapped.data)
		return err
	})
	if errors.Is(err, mapping.ErrCut) {
		err = fmt.Errorf("%s: %w: %w; copy or download it again", path, tensor.ErrFormat, err)
	}
	if err != nil {
		_ = mapped.data.Unmap()
		return nil, err
	}
	file.mapped = []*mappedFile{mapped}
	for name, t := range file.tensors {
		file.tensors[name] = mapped.lent(t)
	}
	if file.Checkpoint != nil && file.Checkpoint.Optimizer != nil {
		for i := range file.Checkpoint.Optimizer.State {
			s := &file.Checkpoint.Optimizer.State[i]
			if s.ExpAvg.DType != "" {
				s.ExpAvg, s.ExpAvgSq = mapped.lent(s.ExpAvg), mapped.lent(s.ExpAvgSq)
			}
		}
	}
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

// Tensor finds one by name, and reads it.
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	t, err := f.Unread(name)
	if err != nil {
		return t, err
	}
	return t.Materialized()
}

// Unread finds a tensor by name without its bytes, which Use, Bytes and Float32 read: of many that are used one after the other, one is in memory.
func (f *File) Unread(name string) (tensor.Tensor, error) {
	t, ok := f.tensors[name]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("%s has no tensor %q", f.name, name)
	}
	return t, nil
}

// Close unmaps the file; tensors that came from it must not be used any more.
func (f *File) Close() error {
	if f.mapped == nil {
		return nil
	}
	f.tensors = nil
	var errs []error
	for _, m := range f.mapped {
		errs = append(errs, m.close())
	}
	f.mapped = nil
	return errors.Join(errs...)
}
