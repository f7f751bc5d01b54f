package transient

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errDamaged = errors.New("damaged")

// An error of the disk is met three times, with pauses, before it stands; one of the file stands at once. What is read after all is the result.
// fault 24, 19.6
func TestRead(t *testing.T) {
	for _, c := range []struct {
		why          error
		fails, asked int
		took         time.Duration
	}{
		{syscall.EIO, 0, 1, 0},
		{syscall.EIO, 1, 2, 200 * time.Millisecond},
		{syscall.EIO, 2, 3, 1200 * time.Millisecond},
		{syscall.ESTALE, 2, 3, 1200 * time.Millisecond},
		{syscall.EIO, 9, 3, 1200 * time.Millisecond},
		{syscall.EACCES, 9, 1, 0},
		{fs.ErrNotExist, 9, 1, 0},
		{errDamaged, 9, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked, began := 0, time.Now()
			got, err := Read(t.Context(), func() (string, error) {
				if asked++; asked <= c.fails {
					return "", fmt.Errorf("reading a picture: %w", &fs.PathError{Op: "read", Path: "imgs.tsv", Err: c.why})
				}
				return "read", nil
			})
			if asked != c.asked || time.Since(began) != c.took || c.fails < c.asked && (err != nil || got != "read") || c.fails >= c.asked && !errors.Is(err, c.why) {
				t.Errorf("%v, %d times: asked %d times in %v: %q, %v; want %d times in %v", c.why, c.fails, asked, time.Since(began), got, err, c.asked, c.took)
			}
		})
	}
}

// A stop ends the pause.
func TestStopEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := Read(ctx, func() (int, error) { return 0, syscall.EIO }); !errors.Is(err, syscall.EIO) || time.Since(began) != 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
