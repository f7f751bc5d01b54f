package eval

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"syscall"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
)

// flaky fails to read a picture for the first times, as a network disk does.
type flaky struct {
	*many
	id int64

	mu    sync.Mutex
	fails int
}

func (f *flaky) Image(id int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == f.id && f.fails > 0 {
		f.fails--
		return nil, fmt.Errorf("reading picture %d: %w", id, &fs.PathError{Op: "read", Path: "imgs.tsv", Err: syscall.EIO})
	}
	return f.many.Image(id)
}

// A read error of the disk that passes neither ends an evaluation nor leaves a picture out.
// fault 24, 19.6
func TestReadErrorsAreTriedAgain(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 12)
	want, err := Extract(t.Context(), exchange.Alone, m, s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, skip := range []*dataset.Skipped{nil, {Budget: 3}} {
		f := &flaky{many: s, id: 7, fails: 2}
		got, err := Extract(t.Context(), exchange.Alone, m, f, 52, skip, nil)
		if err != nil || !slices.Equal(got.ImageIDs, want.ImageIDs) || !slices.Equal(got.Images, want.Images) || f.fails != 0 || skip != nil && skip.Count() != 0 {
			t.Errorf("left out %+v, %d failures to come: %v", skip, f.fails, err)
		}
	}
}
