package index

import "errors"

// Pair is the two indexes of a split: of its pictures, and of its captions, which may be nil.
type Pair struct{ Images, Texts Index }

// Close closes both.
func (p Pair) Close() error {
	var err error
	for _, x := range []Index{p.Images, p.Texts} {
		if x != nil {
			err = errors.Join(err, x.Close())
		}
	}
	return err
}
