package pytorch

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"clipnb/clipkit/internal/pickle"
	"clipnb/clipkit/weights/tensor"
)

// Checkpoint is what a .pt of the reference holds beside the weights.
type Checkpoint struct {
	Epoch int    // epochs that are done, from 1
	Step  int    // optimizer steps
	Name  string // of the run

	Optimizer      *Optimizer // nil in a file of weights only, and when the state could not be read
	OptimizerError error      // why it could not

	Unprefixed bool // for Write: leave out "module.", without which the reference's --resume refuses a file
}

// LooksLike tells by the first bytes whether data is to be given to Parse: a zip archive, or a pickle of protocol 2 and up. It is never true
// of a safetensors file: that begins with a length below 100 MB in eight bytes, the last four of which are therefore zero.
func LooksLike(data []byte) bool {
	return bytes.HasPrefix(data, []byte("PK\x03\x04")) || (len(data) > 8 && data[0] == 0x80 && data[7] != 0)
}

// Parse reads a .pt, zip or legacy container, whose bytes stay in use. The tensors have the file's names and order; one that does not lie
// contiguously in the file is a lazy one. ck is nil when the file is a state dict and nothing else. Errors wrap tensor.ErrFormat.
func Parse(name string, data []byte) (tensors []tensor.Tensor, ck *Checkpoint, err error) {
	bad := func(err error) error { return fmt.Errorf("%s: %w: %w", name, tensor.ErrFormat, err) }
	var top any
	switch kind := tensor.OtherKind(data); {
	case kind != "":
		err = fmt.Errorf("it is %s, not weights of PyTorch", kind)
	case bytes.HasPrefix(data, []byte("PK")):
		top, err = readZip(data)
	default:
		top, err = readLegacy(data)
	}
	if err != nil {
		return nil, nil, bad(err)
	}
	u := &unpacker{left: len(data) + 1<<20}
	state, ck, err := findState(top)
	if err != nil {
		return nil, nil, bad(err)
	}
	if state.Len() > tensor.MaxCount {
		return nil, nil, bad(fmt.Errorf("a state dict of %d entries, want at most %d", state.Len(), tensor.MaxCount))
	}
	for key, value := range state.All() {
		k, isName := key.(string)
		v, isTensor := value.(*view)
		if !isName || !isTensor {
			return nil, nil, bad(fmt.Errorf("the state dict maps %.80q to a %s, want a name and a tensor", fmt.Sprint(key), pickle.Kind(value)))
		}
		t, err := u.tensor(k, v)
		if err != nil {
			return nil, nil, bad(err)
		}
		tensors = append(tensors, t)
	}
	if ck != nil {
		if o, ok := top.(*pickle.Dict).Get("optimizer"); ok && o != nil {
			ck.Optimizer, ck.OptimizerError = parseOptimizer(o, u)
		}
	}
	return tensors, ck, nil
}

// stateKeys are the names by which training programs keep the state dict in a checkpoint, beside the reference's "state_dict".
var stateKeys = []string{"model_state_dict", "model", "net", "module"}

// findState finds the state dict: under "state_dict" or another of its names, or the whole value. Of a checkpoint that is not the reference's
// the rest is not taken: its counts may mean something else.
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
		for _, key := range stateKeys {
			v, _ := d.Get(key)
			if state, ok := v.(*pickle.Dict); ok && holdsTensors(state) {
				return state, nil, nil
			}
		}
		if holdsTensors(d) {
			return d, nil, nil
		}
		var keys []string
		for k := range d.All() {
			if keys = append(keys, fmt.Sprintf("%.40q", fmt.Sprint(k))); len(keys) == 6 {
				break
			}
		}
		return nil, nil, fmt.Errorf("a dictionary of %d entries (%s …) without tensors and without \"state_dict\" (or %s)", d.Len(), strings.Join(keys, ", "), strings.Join(stateKeys, ", "))
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

func holdsTensors(d *pickle.Dict) bool {
	for _, v := range d.All() {
		if _, ok := v.(*view); ok {
			return true
		}
	}
	return false
}

// integer is v as a count, and 0 for a value that is no count.
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
