package pickle

import (
	"errors"
	"fmt"
	"iter"
)

var (
	// ErrPickle is wrapped when bytes are not a pickle, are damaged, or hold what this package does not read.
	ErrPickle = errors.New("pickle: not a pickle of plain data")
	// ErrGlobal is wrapped when a pickle names a function or class that the reader's table lacks. It wraps ErrPickle.
	ErrGlobal = fmt.Errorf("%w: it names what is not allowed", ErrPickle)
)

// Tuple is Python's tuple.
type Tuple []any

// List is Python's list. A list that occurs twice in a pickle is the same *List twice.
type List struct{ Items []any }

// Set is Python's set or frozenset, as the pickle lists it.
type Set struct{ Items []any }

// Dict is Python's dict, in the order of insertion. The zero value is empty.
type Dict struct {
	keys   []any
	values map[any]any
}

// Global is a name that a pickle may use: "torch.FloatStorage".
type Global struct {
	Name string
	call Call // nil: the name may occur, but not be called
}

// Call makes a value from the arguments of a REDUCE or NEWOBJ. It must not change args, which other parts of the pickle may hold too.
type Call func(args Tuple) (any, error)

// Builder is a value, made by a Call, that takes the state of a BUILD. On any other value BUILD has no effect.
type Builder interface{ Build(state any) error }

// Len is the number of entries.
func (d *Dict) Len() int { return len(d.keys) }

// Get finds a value by its key: a string, int64, float64, bool or nil.
func (d *Dict) Get(key any) (any, bool) {
	v, ok := d.values[key]
	return v, ok
}

// All gives the entries in order.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		for _, k := range d.keys {
			if !yield(k, d.values[k]) {
				return
			}
		}
	}
}

// Set adds or replaces an entry; a key of another type than Get's is an error.
func (d *Dict) Set(key, value any) error {
	switch k := key.(type) {
	case nil, bool, int64, string:
	case float64:
		if k != k {
			return fmt.Errorf("%w: NaN is a key", ErrPickle) // equal to no key, so Get would never find it
		}
	default:
		return fmt.Errorf("%w: a %s is a key", ErrPickle, Kind(key))
	}
	if d.values == nil {
		d.values = map[any]any{}
	}
	if _, twice := d.values[key]; !twice {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
	return nil
}

// Kind is the Python name of a value's type, for messages.
func Kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case float64:
		return "float"
	case string:
		return "str"
	case []byte:
		return "bytes"
	case Tuple:
		return "tuple"
	case *List:
		return "list"
	case *Set:
		return "set"
	case *Dict:
		return "dict"
	case *Global:
		return "name " + v.Name
	case int64:
		return "int"
	}
	return fmt.Sprintf("%T", v)
}
