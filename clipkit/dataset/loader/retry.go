package loader

import (
	"errors"
	"syscall"
	"time"
)

// pauses before a picture is read again.
var pauses = []time.Duration{200 * time.Millisecond, time.Second}

// passing are errors of a disk, or of the network to it, that may be gone the next time. A file that is missing or damaged stays so.
var passing = []error{syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EAGAIN, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ECONNRESET}

// image reads a picture file. An error that may pass costs a pause before it costs the pair.
func (l *Loader) image(id int64) ([]byte, error) {
	for try := 0; ; try++ {
		encoded, err := l.source.Image(id)
		if err == nil || try == len(pauses) || !passes(err) {
			return encoded, err
		}
		select {
		case <-time.After(pauses[try]):
		case <-l.ctx.Done():
			return nil, err
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
