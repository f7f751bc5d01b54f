package weights

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"clipnb/clipkit/internal/pickle"
)

// Checkpoint is what a .pt of the reference holds beside the weights.
type Checkpoint struct {
	Epoch int    // epochs that are done, from 1
	Step  int    // optimizer steps
	Name  string // of the run

	Optimizer      *Optimizer // nil: a slim file, or OptimizerError says why it was not understood
	OptimizerError error

	Unprefixed bool // for WritePyTorch: leave out "module.", without which the reference's --resume refuses a file
}

// parsePyTorch reads a .pt, zip or legacy container, whose bytes stay in use. The names are the file's, in its order. ck is nil when the
// file is a state dict and nothing else. A tensor that does not lie contiguously in the file has build instead of Data.
func parsePyTorch(name string, data []byte) (order []string, tensors map[string]Tensor, ck *Checkpoint, err error) {
	bad := func(err error) error { return fmt.Errorf("%s: %w: %w", name, ErrFormat, err) }
	var top any
	switch kind := otherKind(data); {
	case kind != "":
		err = fmt.Errorf("it is %s, not weights of PyTorch", kind)
	case bytes.HasPrefix(data, []byte("PK")):
		top, err = readZip(data)
	default:
		top, err = readLegacy(data)
	}
	if err != nil {
		return nil, nil, nil, bad(err)
	}
	views := &viewer{left: len(data) + 1<<20}
	state, ck, err := findState(top)
	if err != nil {
		return nil, nil, nil, bad(err)
	}
	tensors = map[string]Tensor{}
	for key, value := range state.All() {
		k, isName := key.(string)
		v, isTensor := value.(*view)
		if !isName || !isTensor {
			return nil, nil, nil, bad(fmt.Errorf("the state dict maps %.80q to a %s, want a name and a tensor", fmt.Sprint(key), pickle.Kind(value)))
		}
		if tensors[k], err = views.tensor(k, v); err != nil {
			return nil, nil, nil, bad(err)
		}
		order = append(order, k)
	}
	if ck != nil {
		if o, ok := top.(*pickle.Dict).Get("optimizer"); ok && o != nil {
			ck.Optimizer, ck.OptimizerError = parseOptimizer(o, views)
		}
	}
	return order, tensors, ck, nil
}

// findState finds the state dict: under "state_dict", or the whole value.
func findState(top any) (state *pickle.Dict, ck *Checkpoint, err error) {
	if module, ok := top.(*scriptObject); ok {
		state, err = module.state()
		return state, nil, err
	}
	d, ok := top.(*pickle.Dict)
	if !ok {
		return nil, nil, fmt.Errorf("it holds a %s, want a dictionary of tensors or one with \"state_dict\"", kindOf(top))
	}
	value, ok := d.Get("state_dict")
	if !ok {
		for _, v := range d.All() {
			if _, ok := v.(*view); ok {
				return d, nil, nil
			}
		}
		var keys []string
		for k := range d.All() {
			if keys = append(keys, fmt.Sprintf("%.40q", fmt.Sprint(k))); len(keys) == 6 {
				break
			}
		}
		return nil, nil, fmt.Errorf("a dictionary of %d entries (%s …) without tensors and without \"state_dict\"", d.Len(), strings.Join(keys, ", "))
	}
	if state, ok = value.(*pickle.Dict); !ok {
		return nil, nil, fmt.Errorf("\"state_dict\" is a %s, want a dictionary of tensors", kindOf(value))
	}
	ck = &Checkpoint{}
	if v, ok := d.Get("epoch"); ok {
		ck.Epoch = integer(v)
	}
	if v, ok := d.Get("step"); ok {
		ck.Step = integer(v)
	}
	if v, ok := d.Get("name"); ok {
		ck.Name, _ = v.(string)
	}
	return state, ck, nil
}

// integer is v as a count; what is none is 0.
func integer(v any) int {
	if n, ok := v.(int64); ok && n >= 0 && n <= math.MaxInt32 {
		return int(n)
	}
	return 0
}

func kindOf(v any) string {
	if _, ok := v.(*view); ok {
		return "single tensor"
	}
	return pickle.Kind(v)
}

// otherKind names files that are taken for weights now and then; "" for what may be weights. A safetensors file of unlucky header length can
// begin like a gzip archive: ask only when it cannot be read as what it seems to be.
func otherKind(data []byte) string {
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
