package loader

import (
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"clipnb/clipkit/dataset"
)

// flaky fails to read some pictures for the first times.
type flaky struct {
	toy
	fails map[int64]int
	why   error

	mu    *sync.Mutex
	asked map[int64]int
}

func (s flaky) Image(id int64) ([]byte, error) {
	s.mu.Lock()
	s.asked[id]++
	n := s.asked[id]
	s.mu.Unlock()
	if n <= s.fails[id] {
		return nil, fmt.Errorf("reading picture %d: %w", id, &fs.PathError{Op: "read", Path: "imgs.tsv", Err: s.why})
	}
	return s.toy.Image(id)
}

// A read error of the disk is tried three times before it costs the pair; an error of the file costs it at once.
// fault 24, 19.6
func TestReadErrorsAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		why            error
		fails          int
		asked, skipped int
	}{
		{syscall.EIO, 1, 2, 0},
		{syscall.EIO, 2, 3, 0},
		{syscall.ESTALE, 2, 3, 0},
		{syscall.EIO, 9, 3, 1},
		{syscall.EACCES, 9, 1, 1},
		{errBadPicture, 9, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) { // whose pauses take no time
			s := flaky{toy{n: 8}, map[int64]int{3: c.fails}, c.why, new(sync.Mutex), map[int64]int{}}
			cfg, skipped := config(), 0
			cfg.SkipBudget = 2
			cfg.OnSkip = func(dataset.Pair, error) { skipped++ }
			readAll(t, s, cfg)
			if asked := s.asked[3]; asked%c.asked != 0 || asked == 0 || skipped != c.skipped || c.skipped == 0 && asked != c.asked {
				t.Errorf("%v, %d times: read %d times, skipped %d; want %d and %d", c.why, c.fails, asked, skipped, c.asked, c.skipped)
			}
		})
	}
}
