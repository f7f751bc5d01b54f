package pytorch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"clipnb/clipkit/internal/pickle"
)

const (
	maxAxes = 8
	maxKey  = 64 // bytes of a storage's name
)

// storageTypes gives the element type of PyTorch's storage classes and of its dtypes.
var storageTypes = map[string]string{
	"torch.DoubleStorage": "F64", "torch.FloatStorage": "F32", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16",
	"torch.LongStorage": "I64", "torch.IntStorage": "I32", "torch.ShortStorage": "I16", "torch.CharStorage": "I8",
	"torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL",
	"torch.UntypedStorage": "U8", "torch.storage.UntypedStorage": "U8",
	"torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16", "torch.int64": "I64",
	"torch.int32": "I32", "torch.int16": "I16", "torch.int8": "I8", "torch.uint8": "U8", "torch.bool": "BOOL",
}

// globals has the functions that the pickle of a state dict may call, and what is done in their place.
var globals = map[string]pickle.Call{
	"collections.OrderedDict":         makeDict,
	"collections.defaultdict":         makeDefaultDict,
	"torch.Size":                      makeSize,
	"torch._utils._rebuild_tensor":    makeView,
	"torch._utils._rebuild_tensor_v2": makeView,
	"torch._utils._rebuild_tensor_v3": makeTypedView,
	"torch._utils._rebuild_parameter": makeParameter,
	"numpy.dtype":                     makeNumpyType,
	"numpy.core.multiarray.scalar":    makeNumpyScalar,
	"numpy._core.multiarray.scalar":   makeNumpyScalar,
	"_codecs.encode":                  makeBytes,
}

// inert are classes of values that people keep beside the weights: options, paths, times, the state of random numbers. Nobody reads them here, so
// they are made without anything in them.
var inert = []string{"builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset", "builtins.complex", "__builtin__.complex", "builtins.bytearray", "__builtin__.bytearray",
	"argparse.Namespace", "types.SimpleNamespace", "collections.Counter", "datetime.datetime", "datetime.date", "datetime.timedelta",
	"pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
	"torch.device", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}

// mentioned are classes that those are made with.
var mentioned = []string{"numpy.ndarray", "builtins.list", "__builtin__.list", "builtins.dict", "__builtin__.dict", "builtins.int", "__builtin__.int", "builtins.float", "__builtin__.float"}

// inertValue stands for an object of which nothing is kept.
type inertValue struct{}

func makeInert(pickle.Tuple) (any, error) { return &inertValue{}, nil }

// Build takes the object's state, and leaves it.
func (*inertValue) Build(any) error { return nil }

// makeDefaultDict takes what makes missing values, which no file can call.
func makeDefaultDict(pickle.Tuple) (any, error) { return &pickle.Dict{}, nil }

// findGlobal is the table of all names that a state dict is made of; the pickle's reader refuses every other name with an error that gives it.
// In a TorchScript archive (script) the classes that it defines itself are allowed too: they become objects with attributes and no code.
func findGlobal(script bool) func(string) (pickle.Call, bool) {
	return func(name string) (pickle.Call, bool) {
		if _, ok := storageTypes[name]; ok {
			return nil, true
		}
		if call, ok := globals[name]; ok {
			return call, true
		}
		if slices.Contains(inert, name) {
			return makeInert, true
		}
		if slices.Contains(mentioned, name) {
			return nil, true
		}
		if script {
			return findScript(name)
		}
		return nil, false
	}
}

var errArguments = errors.New("its arguments are not those that PyTorch writes")

// storageID takes the persistent id of a storage apart: ("storage", type, key, location, number of elements, …).
func storageID(t pickle.Tuple) (dtype, key string, numel int, err error) {
	kind, _ := t[0].(string)
	class, ok1 := t[1].(*pickle.Global)
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	if kind != "storage" || !ok1 || !ok2 || !ok3 || n < 0 || n > math.MaxInt64/8 || len(key) > maxKey {
		return "", "", 0, errors.New("a persistent id that is no storage, or of negative or impossible size")
	}
	dtype, ok := storageTypes[class.Name]
	if !ok {
		return "", "", 0, fmt.Errorf("a storage of type %q", class.Name)
	}
	return dtype, key, int(n), nil
}

// makeDict gives an empty OrderedDict, which the pickle then fills.
func makeDict(args pickle.Tuple) (any, error) {
	if len(args) != 0 {
		return nil, errArguments
	}
	return &pickle.Dict{}, nil
}

func makeSize(args pickle.Tuple) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(pickle.Tuple); ok {
			return t, nil
		}
	}
	return nil, errArguments
}

// makeView takes (storage, offset, size, stride, …). The arguments after those concern gradients.
func makeView(args pickle.Tuple) (any, error) {
	if len(args) < 4 {
		return nil, errArguments
	}
	s, ok1 := args[0].(*storage)
	offset, ok2 := args[1].(int64)
	shape, ok3 := sizes(args[2])
	stride, ok4 := sizes(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 || offset < 0 || len(shape) != len(stride) {
		return nil, errArguments
	}
	return &view{s, s.dtype, int(offset), shape, stride}, nil
}

// makeTypedView takes (storage, offset, size, stride, gradient, hooks, type, …): the storage has no type, the tensor has.
func makeTypedView(args pickle.Tuple) (any, error) {
	if len(args) < 7 {
		return nil, errArguments
	}
	v, err := makeView(args)
	if err != nil {
		return nil, err
	}
	g, ok := args[6].(*pickle.Global)
	if !ok || storageTypes[g.Name] == "" {
		return nil, errArguments
	}
	v.(*view).dtype = storageTypes[g.Name]
	return v, nil
}

func makeParameter(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		if v, ok := args[0].(*view); ok {
			return v, nil
		}
	}
	return nil, errArguments
}

// sizes reads a shape or strides: a tuple of at most maxAxes numbers, none negative.
func sizes(v any) ([]int, bool) {
	t, ok := v.(pickle.Tuple)
	if !ok || len(t) > maxAxes {
		return nil, false
	}
	out := make([]int, len(t))
	for i, v := range t {
		n, ok := v.(int64)
		if !ok || n < 0 {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}

// numpyType is numpy.dtype("f8"): the learning rates in the reference's checkpoints are numpy.float64.
type numpyType struct {
	kind string
	big  bool
}

func makeNumpyType(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		if kind, ok := args[0].(string); ok {
			return &numpyType{kind: kind}, nil
		}
	}
	return nil, errArguments
}

// Build takes what the pickle says after the type is made: (version, byte order, …).
func (t *numpyType) Build(state any) error {
	s, ok := state.(pickle.Tuple)
	if !ok || len(s) < 2 {
		return errArguments
	}
	t.big = s[1] == any(">")
	return nil
}

func makeNumpyScalar(args pickle.Tuple) (any, error) {
	if len(args) != 2 {
		return nil, errArguments
	}
	t, ok1 := args[0].(*numpyType)
	b, ok2 := args[1].([]byte)
	if !ok1 || !ok2 || t.big {
		return nil, errArguments
	}
	le := binary.LittleEndian
	switch {
	case t.kind == "f8" && len(b) == 8:
		return math.Float64frombits(le.Uint64(b)), nil
	case t.kind == "f4" && len(b) == 4:
		return float64(math.Float32frombits(le.Uint32(b))), nil
	case t.kind == "i8" && len(b) == 8:
		return int64(le.Uint64(b)), nil
	case t.kind == "i4" && len(b) == 4:
		return int64(int32(le.Uint32(b))), nil
	case t.kind == "b1" && len(b) == 1:
		return b[0] != 0, nil
	}
	return nil, fmt.Errorf("a numpy scalar of type %.20q in %d bytes", t.kind, len(b))
}

// makeBytes decodes bytes, which protocol 2 writes as Latin-1 text. Only short ones are decoded: the pickle can name one long text a million
// times, and each time would make a copy. Longer ones are in no tensor, but in the state of numpy's random numbers.
func makeBytes(args pickle.Tuple) (any, error) {
	if len(args) != 2 || args[1] != any("latin1") {
		return nil, errArguments
	}
	s, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	if len(s) > 64 {
		return &inertValue{}, nil
	}
	var out []byte
	for _, r := range s {
		if r > 0xff {
			return nil, errArguments
		}
		out = append(out, byte(r))
	}
	return out, nil
}
