package weights

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"clipnb/clipkit/weights/tensor"
)

// headerReader takes the JSON header of a safetensors file apart, token by token and in place: a general decoder takes 14 bytes of memory for each byte
// of the header, allows a name twice and reads "DTYPE" as "dtype".
type headerReader struct {
	b  []byte
	at int
}

// read gives the tensors in the order of the header, and the metadata.
func (r *headerReader) read() (list []headerEntry, metadata map[string]string, err error) {
	met := map[string]bool{}
	err = r.object(func(name string) error {
		if met[name] {
			return fmt.Errorf("%.100q occurs twice", name)
		}
		met[name] = true
		if name == "__metadata__" {
			metadata, err = r.metadata()
			return err
		}
		if len(list) == tensor.MaxCount {
			return fmt.Errorf("more than %d tensors", tensor.MaxCount)
		}
		e, err := r.entry()
		if err == nil {
			err = e.check()
		}
		if err != nil {
			return fmt.Errorf("tensor %.100q: %w", name, err)
		}
		e.name = name
		list = append(list, e)
		return nil
	})
	if err == nil && r.peek() != 0 {
		err = r.wrong("the end")
	}
	return list, metadata, err
}

func (r *headerReader) metadata() (map[string]string, error) {
	m := map[string]string{}
	err := r.object(func(key string) (err error) {
		if _, twice := m[key]; twice {
			return fmt.Errorf("metadata: %.100q occurs twice", key)
		}
		if len(m) == tensor.MaxCount {
			return fmt.Errorf("more than %d entries of metadata", tensor.MaxCount)
		}
		m[key], err = r.text()
		return err
	})
	return m, err
}

func (r *headerReader) entry() (e headerEntry, err error) {
	var met []string
	err = r.object(func(key string) (err error) {
		if slices.Contains(met, key) {
			return fmt.Errorf("%q occurs twice", key)
		}
		met = append(met, key)
		switch key {
		case "dtype":
			e.DType, err = r.text()
		case "shape":
			err = r.numbers(func(v int) error {
				if len(e.Shape) == maxAxes {
					return fmt.Errorf("more than %d axes", maxAxes)
				}
				e.Shape = append(e.Shape, v)
				return nil
			})
		case "data_offsets":
			n := 0
			err = r.numbers(func(v int) error {
				if n == len(e.Offsets) {
					return fmt.Errorf("more than two data_offsets")
				}
				e.Offsets[n] = uint64(v)
				n++
				return nil
			})
		default:
			return fmt.Errorf("unknown key %.40q, want dtype, shape and data_offsets", key)
		}
		return err
	})
	if err == nil && len(met) != 3 {
		err = fmt.Errorf("it has only %q, want dtype, shape and data_offsets", met)
	}
	return e, err
}

// object calls each for every key; each reads the value.
func (r *headerReader) object(each func(key string) error) error {
	return r.items('{', '}', func() error {
		key, err := r.text()
		if err != nil {
			return err
		}
		if err := r.take(':'); err != nil {
			return err
		}
		return each(key)
	})
}

// numbers calls each for every number of a list.
func (r *headerReader) numbers(each func(v int) error) error {
	return r.items('[', ']', func() error {
		r.peek()
		from := r.at
		v := 0
		for ; r.at < len(r.b) && r.b[r.at] >= '0' && r.b[r.at] <= '9'; r.at++ {
			digit := int(r.b[r.at] - '0')
			if v > (math.MaxInt64-digit)/10 {
				return fmt.Errorf("a number beyond %d at byte %d of the header", math.MaxInt64, from)
			}
			v = 10*v + digit
		}
		if r.at == from {
			return r.wrong("a whole number that is not negative")
		}
		return each(v)
	})
}

// items reads what stands between two brackets, separated by commas.
func (r *headerReader) items(first, last byte, one func() error) error {
	if err := r.take(first); err != nil {
		return err
	}
	if r.peek() == last {
		return r.take(last)
	}
	for {
		if err := one(); err != nil {
			return err
		}
		if r.peek() != ',' {
			return r.take(last)
		}
		r.at++
	}
}

// text reads a string.
func (r *headerReader) text() (string, error) {
	if err := r.take('"'); err != nil {
		return "", err
	}
	from, escaped := r.at, false
	for ; r.at < len(r.b) && r.b[r.at] != '"'; r.at++ {
		if r.b[r.at] == '\\' {
			r.at++
			escaped = true
		}
	}
	if r.at >= len(r.b) {
		return "", fmt.Errorf("a string that begins at byte %d of the header does not end", from-1)
	}
	inside := r.b[from:r.at]
	r.at++
	if !utf8.Valid(inside) {
		return "", fmt.Errorf("a string at byte %d of the header is not UTF-8", from-1)
	}
	if !escaped {
		return string(inside), nil
	}
	var s string
	if err := json.Unmarshal(r.b[from-1:r.at], &s); err != nil {
		return "", fmt.Errorf("a string at byte %d of the header: %w", from-1, err)
	}
	return s, nil
}

// peek is the next byte that is no space, 0 at the end.
func (r *headerReader) peek() byte {
	for ; r.at < len(r.b); r.at++ {
		switch c := r.b[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (r *headerReader) take(c byte) error {
	if r.peek() != c {
		return r.wrong(fmt.Sprintf("%q", c))
	}
	r.at++
	return nil
}

// wrong is the error of another byte than what is wanted.
func (r *headerReader) wrong(want string) error {
	return fmt.Errorf("byte %d of the header is %.1q, want %s", r.at, r.b[min(r.at, len(r.b)):], want)
}
