package parquet

import (
	"encoding/binary"
	"errors"
)

// Limits on the metadata of a file: the library makes a list as long as its metadata says before it reads the first element.
const (
	maxFooter   = 64 << 20
	maxElements = 1 << 22
	maxNesting  = 16
)

var errThrift = errors.New("the metadata is damaged")

// walker passes over a struct in Thrift's compact protocol, to find its end and that what it promises is there.
type walker struct {
	data     []byte
	at       int
	elements int
}

// structEnd returns how many bytes the struct at the beginning of data has.
func structEnd(data []byte) (int, error) {
	w := walker{data: data}
	err := w.value(12, 0)
	return w.at, err
}

func (w *walker) skip(n uint64) error {
	if n > uint64(len(w.data)-w.at) {
		return errThrift
	}
	w.at += int(n)
	return nil
}

func (w *walker) byte() (byte, error) {
	if w.at == len(w.data) {
		return 0, errThrift
	}
	w.at++
	return w.data[w.at-1], nil
}

func (w *walker) varint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.at:])
	if n <= 0 {
		return 0, errThrift
	}
	w.at += n
	return v, nil
}

// value passes over a value of a type; nesting says in how many others it lies.
func (w *walker) value(kind byte, nesting int) error {
	if nesting > maxNesting {
		return errThrift
	}
	switch kind {
	case 1, 2, 3: // a boolean of a list, a byte
		return w.skip(1)
	case 4, 5, 6: // integers
		_, err := w.varint()
		return err
	case 7: // a float64
		return w.skip(8)
	case 8: // a string
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case 9, 10: // a list, a set
		return w.list(nesting)
	case 12:
		return w.fields(nesting)
	}
	return errThrift // maps are in no metadata of parquet
}

func (w *walker) list(nesting int) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.data)-w.at) || w.elements+int(n) > maxElements {
		return errThrift
	}
	w.elements += int(n)
	for range n {
		if err := w.value(head&15, nesting+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) fields(nesting int) error {
	for {
		head, err := w.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := w.varint(); err != nil {
				return err
			}
		}
		if kind := head & 15; kind > 2 { // a boolean of a field is in its head
			if err := w.value(kind, nesting+1); err != nil {
				return err
			}
		}
	}
}
