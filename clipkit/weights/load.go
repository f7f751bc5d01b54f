package weights

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// ErrMismatch is wrapped when a file is sound but does not hold the model that is asked for.
var ErrMismatch = errors.New("not the weights of the model")

// Target is what weights are loaded into; *model.Model is one. SetTensor copies what it keeps.
type Target interface {
	SetTensor(t tensor.Tensor) error
}

// Load gives m every tensor of cfg's state dict from f. It is strict: when a name is missing, unexpected or of another shape, m stays as it is
// and the error, which wraps ErrMismatch, lists the names and says which model would fit. Names tell the layouts apart: the reference's, with
// "module." as its training writes them or without; the one with flash attention; transformers' ChineseCLIPModel. What torch.compile and Lightning
// put before the names is passed over as "module." is.
// "bert.pooler." entries and "position_ids", which published files hold and no model uses, are passed over.
func Load(m Target, cfg arch.Config, f *File) error {
	_, err := load(m, cfg, f, false)
	return err
}

// LoadResized is Load for a ViT at another resolution than the file's: its position embeddings are interpolated to cfg's grid, as the reference
// does (resize_pos_embed, cn_clip/clip/model.py:551-582). The note says what was resized; it is empty when nothing had to be.
func LoadResized(m Target, cfg arch.Config, f *File) (note string, err error) {
	return load(m, cfg, f, true)
}

func load(m Target, cfg arch.Config, f *File, resize bool) (note string, err error) {
	r, _, err := f.reference()
	if err != nil {
		return "", err
	}
	if resize {
		if note, err = fitPositions(r, cfg); err != nil {
			return "", err
		}
	}
	if err := r.fits(cfg); err != nil {
		return "", err
	}
	for _, t := range cfg.Tensors() {
		x, err := r.Unread(t.Name)
		if err == nil {
			err = f.set(m, x)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return note, nil
}

// AllowNotFinite is the variable of the environment that lets weights with NaN and infinities be loaded and converted when it is 1. What they are is
// said then in File.Remarks.
const AllowNotFinite = "CLIPKIT_ALLOW_NAN"

// set gives m a tensor with its bytes, which m copies.
func (f *File) set(m Target, t tensor.Tensor) error {
	return t.Use(func(data []byte) error {
		if err := f.finite(t, data); err != nil {
			return err
		}
		return m.SetTensor(t.With(data))
	})
}

// finite refuses NaN and infinities, unless they are allowed.
func (f *File) finite(t tensor.Tensor, data []byte) error {
	err := t.CheckFinite(data)
	if err == nil {
		return nil
	}
	if os.Getenv(AllowNotFinite) == "1" {
		f.Remarks = append(f.Remarks, err.Error())
		return nil
	}
	return fmt.Errorf("%w: the file is damaged, or its training diverged; take an earlier checkpoint, or set %s=1 to go on", err, AllowNotFinite)
}

// checked is tensors of f that refuse NaN and infinities when they are used.
func (f *File) checked(tensors []tensor.Tensor) []tensor.Tensor {
	out := make([]tensor.Tensor, len(tensors))
	for i, t := range tensors {
		out[i] = tensor.Lent(t.Name, t.DType, t.Shape, func(use func([]byte) error) error {
			return t.Use(func(data []byte) error {
				if err := f.finite(t, data); err != nil {
					return fmt.Errorf("%s: %w", f.name, err)
				}
				return use(data)
			})
		})
	}
	return out
}

// StateDict is the whole state dict of cfg out of f, in its order and under the reference's names, as strict as Load. The tensors are read when they
// are used, from f, which stays open.
func StateDict(cfg arch.Config, f *File) ([]tensor.Tensor, error) {
	r, _, err := f.reference()
	if err == nil {
		err = r.fits(cfg)
	}
	if err != nil {
		return nil, err
	}
	var out []tensor.Tensor
	for _, t := range cfg.Tensors() {
		x, err := r.Unread(t.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// numbers are the types that a model's values may have in a file.
var numbers = []string{"F32", "F16", "BF16", "F64", "I64", "I32"}

// fits compares f, whose names must be the reference's, with cfg.
func (f *File) fits(cfg arch.Config) error {
	var wrong []string
	want := map[string]bool{}
	for _, t := range cfg.Tensors() {
		want[t.Name] = true
		switch x, ok := f.tensors[t.Name]; {
		case !ok:
			wrong = append(wrong, "missing "+t.Name)
		case !slices.Equal(x.Shape, t.Shape) && t.Name == positions:
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v (LoadResized would interpolate)", t.Name, x.Shape, t.Shape))
		case !slices.Equal(x.Shape, t.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", t.Name, x.Shape, t.Shape))
		case !slices.Contains(numbers, x.DType):
			wrong = append(wrong, fmt.Sprintf("%s is %s, which holds no weights", t.Name, x.DType))
		}
	}
	for _, name := range f.order {
		if !want[name] {
			wrong = append(wrong, "unexpected "+name)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	more := ""
	if len(wrong) > 10 {
		more = fmt.Sprintf(" and %d more", len(wrong)-10)
		wrong = wrong[:10]
	}
	return fmt.Errorf("%s: %w %q: %s%s%s", f.name, ErrMismatch, cfg.Name, f.advice(cfg), strings.Join(wrong, "; "), more)
}

// wrappers are what the classes around a model put before the names of its tensors, also around each other: DistributedDataParallel, torch.compile
// and a LightningModule that keeps it in self.model.
var wrappers = []string{"module.", "_orig_mod.", "model."}

// unwrapped is a tensor's name in the model itself. torch.compile may also have been given a part of it.
func unwrapped(name string) string {
	for again := true; again; {
		again = false
		for _, w := range wrappers {
			if rest, ok := strings.CutPrefix(name, w); ok && rest != "" {
				name, again = rest, true
			}
		}
	}
	return strings.ReplaceAll(name, "._orig_mod.", ".")
}

// reference gives f under the reference's names, without the tensors that no model uses; unused has their names.
func (f *File) reference() (r *File, unused []string, err error) {
	r = &File{name: f.name, Metadata: f.Metadata, Checkpoint: f.Checkpoint, tensors: map[string]tensor.Tensor{}}
	plain := map[string]tensor.Tensor{}
	var order []string
	for _, old := range f.order {
		name := unwrapped(old)
		if strings.HasPrefix(name, "bert.pooler.") || strings.HasPrefix(name, "text_model.pooler.") || strings.HasSuffix(name, ".position_ids") {
			unused = append(unused, name)
			continue
		}
		if _, twice := plain[name]; twice {
			return nil, nil, fmt.Errorf("%s: %w: %q occurs twice, with and without a prefix such as \"module.\"", f.name, tensor.ErrFormat, name)
		}
		t := f.tensors[old]
		t.Name = name
		order, plain[name] = append(order, name), t
	}
	hf := isHF(order)
	for _, name := range order {
		ts := []tensor.Tensor{plain[name]}
		if hf {
			ts, err = fromHF(plain[name], plain)
		} else {
			ts, err = fromFlash(plain[name])
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.name, err)
		}
		for _, t := range ts {
			if _, twice := r.tensors[t.Name]; twice {
				return nil, nil, fmt.Errorf("%s: %w: %q occurs twice, in two layouts", f.name, tensor.ErrFormat, t.Name)
			}
			r.order, r.tensors[t.Name] = append(r.order, t.Name), t
		}
	}
	return r, unused, nil
}
