package pytorch

import (
	"errors"
	"strings"

	"clipnb/clipkit/internal/pickle"
)

// A TorchScript archive (OpenAI publishes CLIP as such) holds the model's code and, in data.pkl, the tree of its modules. The code is never
// looked at; the modules' attributes, joined with dots, are the names of the state dict. Numbers and flags among them are passed over.

const (
	maxModules   = 20  // nested modules
	maxAttribute = 256 // bytes of a name
)

// scriptObject is an instance of a class that the archive defines, without that class's code.
type scriptObject struct{ attributes *pickle.Dict }

// findScript allows the classes that the archive defines, and the functions by which TorchScript marks a list's type: they give the list.
func findScript(name string) (pickle.Call, bool) {
	if strings.HasPrefix(name, "__torch__.") {
		return makeScriptObject, true
	}
	if strings.HasPrefix(name, "torch.jit._pickle.") {
		return func(args pickle.Tuple) (any, error) {
			if len(args) == 0 {
				return nil, errArguments
			}
			return args[0], nil
		}, true
	}
	return nil, false
}

func makeScriptObject(pickle.Tuple) (any, error) { return &scriptObject{}, nil }

// Build takes the object's attributes.
func (o *scriptObject) Build(state any) error {
	d, ok := state.(*pickle.Dict)
	if !ok {
		return errArguments
	}
	o.attributes = d
	return nil
}

// state collects the tensors of a module and of the modules in it. A module that occurs twice is an error: modules that each hold the next one
// twice make a small file without end.
func (o *scriptObject) state() (*pickle.Dict, error) {
	out, met := &pickle.Dict{}, map[*scriptObject]bool{}
	var visit func(o *scriptObject, prefix string, depth int) error
	visit = func(o *scriptObject, prefix string, depth int) error {
		if met[o] || depth == maxModules {
			return errors.New("a TorchScript archive in which a module occurs twice or modules nest too deep")
		}
		met[o] = true
		if o.attributes == nil {
			return nil
		}
		for k, v := range o.attributes.All() {
			name, _ := k.(string)
			if len(name) > maxAttribute {
				return errors.New("a TorchScript archive with a name of more than 256 bytes")
			}
			var err error
			switch v := v.(type) {
			case *view:
				err = out.Set(prefix+name, v)
			case *scriptObject:
				err = visit(v, prefix+name+".", depth+1)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := visit(o, "", 0)
	if err == nil && out.Len() == 0 {
		err = errors.New("a TorchScript archive without tensors")
	}
	return out, err
}
