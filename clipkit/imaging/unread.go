package imaging

import (
	"context"
	"errors"
	"sync"
)

// Unread are the pictures of Batches that could not be prepared, where work goes on without them. nil is for work that needs all: it takes none.
type Unread struct{ numbers sync.Map }

// OrBlank makes a function for Batches of one that may fail: a picture that cannot be prepared is blank, and one of u.
func (u *Unread) OrBlank(resolution int, prepare func(i int) ([]uint8, error)) func(i int) ([]uint8, error) {
	if u == nil {
		return prepare
	}
	return func(i int) (levels []uint8, _ error) {
		err := guarded(i, func(i int) (err error) {
			levels, err = prepare(i)
			return err
		})
		if err != nil {
			u.numbers.Store(i, true)
			levels = make([]uint8, 3*resolution*resolution)
		}
		return levels, nil
	}
}

// Rows are the rows of a batch that are blank.
func (u *Unread) Rows(b Batch[uint8]) (rows []int) {
	if u == nil {
		return nil
	}
	for i := range b.N {
		if _, is := u.numbers.Load(b.First + i); is {
			rows = append(rows, i)
		}
	}
	return rows
}

// Why reads a picture again to say what is wrong with it: another process may have met it.
func Why(ctx context.Context, read func() error) error {
	err := Each(ctx, 1, func(int) error { return read() })
	if err == nil {
		return errors.New("it could not be read at first, or not by another process")
	}
	return err
}
