package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// ConvertOptions of Convert; the zero value keeps every value as it is.
type ConvertOptions struct {
	Half   bool         // float16 for what the reference halves (HalfByReference); norms, positions and the logit scale stay float32
	Flash  bool         // the names of the reference's flash attention, for a .pt or .safetensors file
	Config *arch.Config // nil: found as OpenModel does. To be given for a model whose attention heads are not 64 channels wide.
}

// Convert reads the model of in, which may be anything that OpenModel reads, and writes it in the form that the name of out chooses:
//
//	model.pt            what torch.load and the reference read, names with "module."; epoch, step and name are kept
//	model.safetensors   the reference's names; the architecture is in the metadata
//	model               a folder for transformers that ChineseCLIPModel.from_pretrained opens
//
// OpenAI's CLIP, a TorchScript archive as it is published, becomes a state dict under its own names in a .pt or .safetensors file: the reference's
// --clip-weight-path takes it, and LoadInit. The archive's code is not executed.
//
// NaN and infinite values are errors that name the tensor, as for Load.
//
// An optimizer's state is left out, so converting a training checkpoint to the same form makes it slim: a third of its size.
func Convert(in, out string, o ConvertOptions) error {
	if sameFile(in, out) {
		return fmt.Errorf("converting %s: the result needs another name", in)
	}
	f, cfg, err := openAs(in, o.Config)
	if errors.Is(err, ErrMismatch) {
		if english, mine := convertEnglish(in, out, o); mine {
			return english
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	tensors, err := StateDict(cfg, f)
	if err != nil {
		return err
	}
	tensors = f.checked(tensors)
	if o.Half {
		Halve(tensors)
	}
	if o.Flash {
		if filepath.Ext(out) == "" {
			return fmt.Errorf("converting %s: transformers has no names for flash attention", in)
		}
		if tensors, err = toFlash(tensors); err != nil {
			return fmt.Errorf("converting %s: %w", in, err)
		}
	}
	ck := pytorch.Checkpoint{Name: cfg.Name}
	if was := f.Checkpoint; was != nil {
		ck = pytorch.Checkpoint{Epoch: was.Epoch, Step: was.Step, Name: was.Name}
	}
	return Write(out, cfg, tensors, &ck)
}

// convertEnglish is Convert for a CLIP of OpenAI's; mine is false for any other file.
func convertEnglish(in, out string, o ConvertOptions) (err error, mine bool) {
	f, err := Open(in)
	if err != nil {
		return err, false
	}
	defer f.Close()
	var tensors []tensor.Tensor
	for _, name := range f.order {
		t := f.tensors[name]
		t.Name = unwrapped(name)
		mine = mine || t.Name == "token_embedding.weight"
		tensors = append(tensors, t)
	}
	if !mine {
		return nil, false
	}
	tensors = f.checked(tensors)
	if o.Half {
		Halve(tensors)
	}
	switch ending := strings.ToLower(filepath.Ext(out)); {
	case o.Flash:
		return fmt.Errorf("converting %s: OpenAI's CLIP has no names of flash attention", in), true
	case ending == ".pt", ending == ".pth":
		return pytorch.Write(out, tensors, nil), true
	case ending == ".safetensors":
		return WriteSafetensors(out, tensors, map[string]string{"format": "pt"}), true
	}
	return fmt.Errorf("converting %s: OpenAI's CLIP becomes a state dict; end the name %s in .pt or .safetensors", in, out), true
}

// Write writes a state dict under the reference's names in the form that the end of path chooses, as for Convert. ck matters to a .pt file
// only; it may hold an optimizer's state.
func Write(path string, cfg arch.Config, tensors []tensor.Tensor, ck *pytorch.Checkpoint) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pt", ".pth":
		return pytorch.Write(path, tensors, ck)
	case ".safetensors":
		text, err := json.Marshal(cfg)
		if err != nil {
			return err
		}
		return WriteSafetensors(path, tensors, map[string]string{"format": "pt", architectureKey: string(text)})
	case "":
		return writeHF(path, cfg, tensors)
	}
	return fmt.Errorf("writing %s: this is no known form; end the name in .pt or .safetensors, or name a folder", path)
}

func sameFile(in, out string) bool {
	a, errA := os.Stat(in)
	b, errB := os.Stat(out)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// Halve rounds the tensors that the reference halves to float16, in place, each when its bytes are asked for. A value that float16 does not hold is
// an error then.
func Halve(tensors []tensor.Tensor) {
	for i, t := range tensors {
		if !HalfByReference(t.Name) || t.DType == "F16" || t.DType == "I64" {
			continue
		}
		tensors[i] = tensor.Lazy(t.Name, "F16", t.Shape, func() ([]byte, error) {
			values, err := t.Float32()
			if err != nil {
				return nil, err
			}
			for _, v := range values {
				if math.Abs(float64(v)) >= 65520 { // rounds to infinity
					return nil, fmt.Errorf("%s holds %g, which float16 does not", t.Name, v)
				}
			}
			return tensor.F16(t.Name, t.Shape, values).Data, nil
		})
	}
}
