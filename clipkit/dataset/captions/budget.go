package captions

import "io"

// Budget stops a reader that would take a whole file for one record, as one forgotten quotation mark makes a reader of JSON do.
type Budget struct {
	R    io.Reader
	Left int   // bytes; set again where a record begins
	Err  error // what Read gives when none is left
}

func (b *Budget) Read(p []byte) (int, error) {
	if b.Left <= 0 {
		return 0, b.Err
	}
	n, err := b.R.Read(p[:min(len(p), b.Left)])
	b.Left -= n
	return n, err
}
