// Package transient reads again where a disk, or the network to it, failed to give what may come the next time: a network disk that another machine has just
// restarted, a cable that was bent. Work of hours does not end for it, and no picture is left out of figures for it.
//
//	encoded, err := transient.Read(ctx, func() ([]byte, error) { return source.Image(id) })
package transient

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// pauses before what was asked for is read again: three tries in all.
var pauses = []time.Duration{200 * time.Millisecond, time.Second}

// passing are errors that may be gone the next time. A file that is missing or damaged stays so.
var passing = []error{syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EAGAIN, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ECONNRESET}

// Read calls read, and after an error that may pass again, with a pause, three times at most. It gives the last result; no pause outlasts ctx.
func Read[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for try := 0; ; try++ {
		v, err := read()
		if err == nil || try == len(pauses) || !passes(err) {
			return v, err
		}
		select {
		case <-time.After(pauses[try]):
		case <-ctx.Done():
			return v, err
		}
	}
}

func passes(err error) bool {
	for _, p := range passing {
		if errors.Is(err, p) {
			return true
		}
	}
	return false
}
