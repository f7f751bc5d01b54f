// Package page shows a retrieval page (package explore) in a process that outlives the notebook cell which started it and ends with the notebook's
// kernel; outside a notebook, with the program. Its models stay loaded, and later cells encode and search with them:
//
//	page, err := page.Attach(ctx)                        // the page that an earlier cell has started with clipkit.Explore
//	v, err := page.EncodeTexts(ctx, []string{"一只猫"})   // [texts][embed dim], unit vectors
//	hits, err := page.SearchText(ctx, "一只猫", 8)
//
// The process is the program itself, started once more with a listening socket; Main, in an init function, makes it a page. What it shows is a
// spec that Start hands over as JSON. A file in Dir that only its user may read holds the address and the token; it is gone when the page is.
package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"
)

// ErrNone is wrapped when no page runs, or one does not answer.
var ErrNone = errors.New("no page runs")

// Page is a retrieval page that runs in a process of its own. Its model encodes for later cells too, which need not load it.
type Page struct {
	URL   string // on this machine; it has the token, and does not belong into a notebook's output
	Model int    // which of the page's models encodes and searches: 0, or 1 where there are two

	name  string
	state state
}

func newPage(name string, s state) *Page {
	return &Page{URL: fmt.Sprintf("http://127.0.0.1:%d/%s/", s.Port, s.Token), name: name, state: s}
}

// Attach finds the page that an earlier cell of this notebook has started; name is clipkit.PageName's, "explore" unless given.
func Attach(ctx context.Context, name ...string) (*Page, error) {
	n := "explore"
	if len(name) > 0 {
		n = name[0]
	}
	s, ok := readState(n, owner())
	if !ok {
		return nil, fmt.Errorf("%w under the name %q in this notebook; start it with clipkit.Explore", ErrNone, n)
	}
	p := newPage(n, s)
	return p, p.Healthy(ctx)
}

// String is a link that opens the page on this machine, once and within ten minutes: it may be printed in a notebook.
func (p *Page) String() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ticket, err := p.ticket(ctx)
	if err != nil {
		return fmt.Sprintf("the page at http://127.0.0.1:%d/, which does not answer: %v", p.state.Port, err)
	}
	return p.link(ticket)
}

// PID is the page's process.
func (p *Page) PID() int { return p.state.Page.PID }

// Healthy has every model of the page encode a text.
func (p *Page) Healthy(ctx context.Context) error {
	return p.ask(ctx, http.MethodGet, "healthz", nil, nil)
}

// Close ends the page's process.
func (p *Page) Close() error {
	if err := syscall.Kill(p.state.Page.PID, syscall.SIGTERM); err != nil || !p.state.Page.alive() {
		return nil // it has ended
	}
	for range 100 {
		if !p.state.Page.alive() {
			os.Remove(stateFile(p.name, p.state.Owner))
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return syscall.Kill(p.state.Page.PID, syscall.SIGKILL)
}

// Hit is a picture that a search has found.
type Hit struct {
	ImageID  int64
	Score    float32 // cosine
	Encoded  []byte  // the picture file
	Captions []string
}

// encoded is an answer of api/encode.
type encoded struct{ Texts, Pictures [][]float32 }

// EncodeTexts is clipkit.Model.EncodeTexts by the page's model.
func (p *Page) EncodeTexts(ctx context.Context, texts []string) ([][]float32, error) {
	var all [][]float32
	for part := range slices.Chunk(texts, 128) {
		var got encoded
		if err := p.ask(ctx, http.MethodPost, "api/encode", map[string]any{"texts": part, "model": p.Model, "as_is": true}, &got); err != nil {
			return nil, fmt.Errorf("encoding texts: %w", err)
		}
		all = append(all, got.Texts...)
	}
	return all, nil
}

// EncodeImages is clipkit.Model.EncodeImages by the page's model.
func (p *Page) EncodeImages(ctx context.Context, pictures []image.Image) ([][]float32, error) {
	var all [][]float32
	for _, picture := range pictures {
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			return nil, fmt.Errorf("encoding pictures: %w", err)
		}
		var got encoded
		if err := p.ask(ctx, http.MethodPost, "api/encode", map[string]any{"pictures": [][]byte{b.Bytes()}, "model": p.Model}, &got); err != nil {
			return nil, fmt.Errorf("encoding pictures: %w", err)
		}
		all = append(all, got.Pictures...)
	}
	return all, nil
}

// SearchText gives the k pictures of the page's set that are nearest to a text, with pictures of at most 768 pixels a side.
func (p *Page) SearchText(ctx context.Context, text string, k int) ([]Hit, error) {
	var info struct{ Set string }
	if err := p.ask(ctx, http.MethodGet, "api/info", nil, &info); err != nil {
		return nil, fmt.Errorf("searching: %w", err)
	}
	var found struct {
		Hits []struct {
			ID       int64
			Score    float32
			Captions []string
		}
	}
	if err := p.ask(ctx, http.MethodPost, "api/search", map[string]any{"text": text, "k": k, "model": p.Model}, &found); err != nil {
		return nil, fmt.Errorf("searching: %w", err)
	}
	var hits []Hit
	for _, h := range found.Hits {
		var picture []byte
		if err := p.ask(ctx, http.MethodGet, fmt.Sprintf("thumb/%s/768/%d", info.Set, h.ID), nil, &picture); err != nil {
			return nil, fmt.Errorf("fetching picture %d: %w", h.ID, err)
		}
		hits = append(hits, Hit{ImageID: h.ID, Score: h.Score, Encoded: picture, Captions: h.Captions})
	}
	return hits, nil
}

// local speaks to pages only: no proxy stands between.
var local = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

// ask sends a question and reads the answer into one: JSON, or bytes.
func (p *Page) ask(ctx context.Context, method, path string, question, answer any) error {
	var body io.Reader
	if question != nil {
		b, err := json.Marshal(question)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d/%s", p.state.Port, path), body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+p.state.Token)
	reply, err := local.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", ErrNone, err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(io.LimitReader(reply.Body, 64<<20))
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		var said struct{ Error string }
		_ = json.Unmarshal(b, &said)
		return fmt.Errorf("the page answers %s: %s", reply.Status, said.Error)
	}
	switch to := answer.(type) {
	case nil:
		return nil
	case *[]byte:
		*to = b
		return nil
	}
	return json.Unmarshal(b, answer)
}
