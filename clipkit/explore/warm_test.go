package explore_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"clipnb/clipkit/explore"
	"clipnb/clipkit/index"
)

// searched counts searches of an index, or fails them.
type searched struct {
	index.Index
	n   *atomic.Int32
	err error
}

func (s searched) Search(ctx context.Context, q index.Query) ([]index.Hit, error) {
	s.n.Add(1)
	if s.err != nil {
		return nil, s.err
	}
	return s.Index.Search(ctx, q)
}

// Before a page answers, each model has encoded a picture and a text of each length that is compiled by itself (of the small model's 24 tokens two), and both indexes have
// been searched; progress says how far that is. What fails there is not an end.
func TestNewWarmsUp(t *testing.T) {
	e := small()
	if e.err != nil {
		t.Fatal(e.err)
	}
	var searches atomic.Int32
	for _, broken := range []error{nil, errors.New("the disk is gone")} {
		searches.Store(0)
		side := e.sides[0]
		side.Images, side.Texts = searched{side.Images, &searches, broken}, searched{side.Texts, &searches, nil}
		var told [][2]int
		s := start(t, explore.Config{Title: "warm", Source: e.split, Sides: []explore.Side{side}, Progress: func(done, total int) { told = append(told, [2]int{done, total}) }})
		if searches.Load() < 2 {
			t.Errorf("%d searches", searches.Load())
		}
		if len(told) != 6 || told[0] != [2]int{0, 5} || told[5] != [2]int{5, 5} {
			t.Errorf("progress %v", told)
		}
		reply, err := http.Get(s.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		for _, line := range []string{`clipkit_encoded_total{model="0",kind="texts"} 2`, `clipkit_encoded_total{model="0",kind="pictures"} 1`} {
			if err != nil || !strings.Contains(string(text), line) {
				t.Errorf("no %s in %s, %v", line, text, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := explore.New(ctx, explore.Config{Title: "warm", Source: e.split, Sides: e.sides[:1]}); !errors.Is(err, context.Canceled) {
		t.Errorf("a page that is not wanted any more: %v", err)
	}
}
