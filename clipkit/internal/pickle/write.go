package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Object is something that Python makes by a call: Class(*Args), filled with Items if they are not nil.
type Object struct {
	Class *Global
	Args  Tuple
	Items *Dict
}

// Persistent is a persistent id.
type Persistent struct{ ID any }

// Name is a global to write.
func Name(name string) *Global { return &Global{Name: name} }

// Marshal writes a value in protocol 2, which every Python since 2.3 reads. Values may be those that Read gives (but no *big.Int or []byte),
// int, Object and Persistent; what is shared is written twice.
func Marshal(v any) ([]byte, error) {
	b, err := appendValue([]byte{0x80, 2}, v, maxMarks)
	if err != nil {
		return nil, err
	}
	return append(b, '.'), nil
}

// appendValue writes v, which nests no deeper than depth.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth == 0 {
		return nil, fmt.Errorf("pickle: writing a value that nests more than %d deep", maxMarks)
	}
	switch v := v.(type) {
	case nil:
		return append(b, 'N'), nil
	case bool:
		if v {
			return append(b, 0x88), nil
		}
		return append(b, 0x89), nil
	case int:
		return AppendInt(b, int64(v)), nil
	case int64:
		return AppendInt(b, v), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'G'), math.Float64bits(v)), nil
	case string:
		if uint64(len(v)) > math.MaxUint32 {
			return nil, fmt.Errorf("pickle: writing a string of %d bytes", len(v))
		}
		return append(binary.LittleEndian.AppendUint32(append(b, 'X'), uint32(len(v))), v...), nil
	case Tuple:
		return appendItems(append(b, '('), v, 't', depth)
	case *List:
		return appendItems(append(b, ']', '('), v.Items, 'e', depth)
	case *Dict:
		return appendItems(append(b, '}', '('), v.pairs(), 'u', depth)
	case *Global:
		dot := strings.LastIndexByte(v.Name, '.')
		if dot < 0 || strings.ContainsRune(v.Name, '\n') {
			return nil, fmt.Errorf("pickle: writing the name %q, want module.name", v.Name)
		}
		return append(b, "c"+v.Name[:dot]+"\n"+v.Name[dot+1:]+"\n"...), nil
	case Object:
		b, err := appendItems(b, []any{v.Class, v.Args}, 'R', depth)
		if err == nil && v.Items != nil {
			b, err = appendItems(append(b, '('), v.Items.pairs(), 'u', depth)
		}
		return b, err
	case Persistent:
		return appendItems(b, []any{v.ID}, 'Q', depth)
	}
	return nil, fmt.Errorf("pickle: writing a %T", v)
}

func appendItems(b []byte, items []any, end byte, depth int) ([]byte, error) {
	var err error
	for _, item := range items {
		if b, err = appendValue(b, item, depth-1); err != nil {
			return nil, err
		}
	}
	return append(b, end), nil
}

// AppendInt adds an integer in the fewest bytes, as Python writes it.
func AppendInt(b []byte, v int64) []byte {
	switch {
	case v >= 0 && v < 1<<8:
		return append(b, 'K', byte(v))
	case v >= 0 && v < 1<<16:
		return binary.LittleEndian.AppendUint16(append(b, 'M'), uint16(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		return binary.LittleEndian.AppendUint32(append(b, 'J'), uint32(int32(v)))
	}
	n := 5 // bytes in two's complement: the fewest that keep the sign
	for n < 8 && v>>(8*n-1) != v>>63 {
		n++
	}
	b = append(b, 0x8a, byte(n))
	return append(b, binary.LittleEndian.AppendUint64(nil, uint64(v))[:n]...)
}

// pairs are keys and values in turn.
func (d *Dict) pairs() []any {
	var out []any
	for k, v := range d.All() {
		out = append(out, k, v)
	}
	return out
}
