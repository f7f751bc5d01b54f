// Package explore is the retrieval page: a handler that serves a page for searching pictures by text, by picture or by both, and the JSON
// interface beneath it. Everything that the page needs is in the program; it asks no other host for anything.
//
//	h, err := explore.New(ctx, explore.Config{Title: "emoji", Source: split, Sides: []explore.Side{{Name: "zero-shot", Model: m, Images: images, Texts: texts}}})
//	defer h.Close()
//	l, err := explore.Listen("127.0.0.1:8080", "")     // another address than this machine's own needs a token
//	err = explore.Serve(ctx, l, h)                     // until ctx ends
//
// With two sides the page shows two checkpoints beside each other and marks what changed its rank.
//
// # The interface
//
// Answers are JSON; an error is {"error": "what was wrong and what to do"} with a status of 4xx or 5xx. Paths are relative to the page's own.
//
//	GET  api/info                          models, sizes, limits, the range of cosines
//	GET  api/pictures?from=0&n=100         pictures in storage order, with their captions; those that could not be read for an index are not among them
//	GET  api/texts?from=0&n=100            captions, with their pictures
//	POST api/search  {"text": "红色的猫", "k": 20}                 the nearest pictures of a text
//	                 {"image": 301, "to": "texts"}                 the nearest captions of a picture of the set
//	                 {"text": "在雪地里", "picture": "<key>", "weight": 0.7}   text and picture mixed: 0 is the text alone, 1 the picture
//	                 more: "model" (0 or 1), "offset", "filter": {"split": "test"}
//	POST api/picture <the file's bytes>    a picture of one's own, for searches: {"picture": "<key>"}; Content-Type image/…
//	POST api/encode  {"texts": ["猫"], "pictures": ["<base64>"], "model": 0}   unit vectors; "as_is": texts are not prepared as captions are
//	POST api/why     {"text": "红色的猫", "image": 301}            what of the text and of the picture makes the score (type Why)
//	GET  thumb/<set>/<side>/<id>           a picture of the set, small: the side is 192 or 768 pixels; may be kept for ever
//	GET  healthz                           encodes a text with every model; 200, or 503 with the reason
//	GET  metrics                           in Prometheus' text format
//	POST api/ticket                        to whoever has the token: {"ticket": "…"}, which opens the page once within ten minutes
//	POST ticket     {"ticket": "…"}        without the token: {"session": "…"}, which stands in paths as the token does; "session": the one that one has already
//	GET  open/<ticket>                     the same for a browser: leads to /<session>/
//
// # What a score means
//
// A score is a cosine. Cosines of a text and a picture keep to a narrow band (0.2 to 0.5 in the published models), because the two towers put
// texts and pictures into different corners of the space; training only makes a right pair's cosine larger than others', and the model
// multiplies by its logit scale (100) before it compares. So no cosine says "match" by itself. The page shows the cosines of
// right and of other pairs of the set ([Scores]), and where they part best. Cosines between two pictures lie much higher.
// In a mix of text and picture both vectors are unit vectors, so the picture, whose cosines are higher, weighs more than its share.
//
// # Many at a time
//
// One worker for each model encodes; what waits together is encoded together, at most eight. At most 256 queries wait, then the answer is 503
// with Retry-After. Visitors' pictures are decoded two at a time, because one may take 512 MB, and at most 128 requests wait for that; two more decode the
// set's own for thumbnails; explanations are made one at a time. What a browser has given up waiting for is not computed.
//
// A request takes its place in a queue when all of it has come. Serve closes a connection that a thousand others leave no place for, and 256 MiB of large
// bodies are held at once; what does not keep coming is given up (package intake).
//
// # Safety
//
// A loopback address without a token answers only under the names of this machine (Host), so that no web page can reach it by a name of its own (DNS
// rebinding). With a token, every path begins with /<token>/, or the request has "Authorization: Bearer <token>"; a ticket is for where the token would be
// kept, as in a notebook's output. Only a page of the same origin may show this one in a frame: JupyterLab does through its own address. Requests that
// browsers send for other pages are refused (http.CrossOriginProtection). A picture has at most 16 MiB, is checked by package imaging
// before it is decoded, and leaves only encoded anew; other bodies have at most 64 KiB, api/encode 24 MiB. Captions reach the page as JSON and are
// put into it as text. No address that a request names is ever fetched.
package explore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/intake"
	"clipnb/clipkit/model"

	lru "github.com/hashicorp/golang-lru/v2"
)

// ErrConfig is wrapped when New is given what it cannot show.
var ErrConfig = errors.New("explore: cannot be shown")

// Config is what a page shows.
type Config struct {
	Title    string
	Source   dataset.Source        // the pictures and captions that the sides' indexes are of; it stays the caller's
	Sides    []Side                // one, or two to compare
	Progress func(done, total int) // of the warm-up; may be nil
	Token    string                // "" : for loopback only; else at least 16 characters of a–z A–Z 0–9 - _
}

// Side is one checkpoint with its indexes.
type Side struct {
	Name   string // "zero-shot"
	Model  *model.Model
	Images index.Index // the pictures of Source, as Model encodes them
	Texts  index.Index // its captions; nil: no search for captions
}

// Handler serves one page.
type Handler struct {
	title      string
	token      string
	source     dataset.Source
	ids        []int64 // of the pictures that an index has, in the source's order; others are not shown
	set        string  // in addresses that browsers may keep for ever: another handler's are others
	sides      []*side
	captions   map[int64][]string // by picture
	captionIDs map[int64][]int64
	texts      map[int64]dataset.Text
	named      map[string][]int64 // pictures by prepared caption

	pictures *lru.Cache[string, *picture] // of the set and of visitors, lately used
	thumbs   *lru.Cache[thumb, thumbnail]
	decoding *gate // visitors' pictures
	thumbing *gate // pictures of the set, for thumbnails: a visitor's upload does not hold up the grid
	bulk     *gate // many samples at once
	bodies   intake.Memory
	tickets  *tickets
	why      *gate
	metrics  *metricSet
	handler  http.Handler
}

// side is a Side with its encoder.
type side struct {
	Side
	encoder *encoder
	scores  Scores
}

const (
	keptPictures = 128  // each up to some 300 kB of pixels
	keptThumbs   = 4096 // each some 8 kB
	keptBodies   = 256 << 20
	patience     = 60 * time.Second
)

// New checks the configuration, starts the encoders and warms them up: what is compiled for the first search, and what of the indexes comes into memory for
// it, is not for a visitor to wait for. A warm-up that fails is logged and not an end. The models and indexes stay the caller's.
func New(ctx context.Context, c Config) (*Handler, error) {
	switch {
	case c.Source == nil || len(c.Source.ImageIDs()) == 0:
		return nil, fmt.Errorf("%w: no pictures", ErrConfig)
	case len(c.Sides) < 1 || len(c.Sides) > 2:
		return nil, fmt.Errorf("%w: %d models, want one, or two to compare", ErrConfig, len(c.Sides))
	}
	for i, s := range c.Sides {
		if s.Model == nil || s.Images == nil {
			return nil, fmt.Errorf("%w: side %d (%q) lacks a model or an index of pictures", ErrConfig, i, s.Name)
		}
	}
	if err := checkToken(c.Token); err != nil {
		return nil, err
	}
	h := &Handler{
		title: c.Title, token: c.Token, source: c.Source, set: rand.Text()[:8],
		captions: map[int64][]string{}, captionIDs: map[int64][]int64{}, texts: map[int64]dataset.Text{}, named: map[string][]int64{},
		decoding: newGate(2, 128), thumbing: newGate(2, 128), bulk: newGate(4, 128), why: newGate(1, 8), metrics: newMetrics(),
		bodies: intake.Memory{Most: keptBodies}, tickets: newTickets(c.Token),
	}
	h.pictures, _ = lru.New[string, *picture](keptPictures)
	h.thumbs, _ = lru.New[thumb, thumbnail](keptThumbs)
	absent, err := c.absent(ctx)
	if err != nil {
		return nil, fmt.Errorf("explore: %w", err)
	}
	gone := func(id int64) bool { _, is := slices.BinarySearch(absent, id); return is }
	h.ids = slices.DeleteFunc(slices.Clone(c.Source.ImageIDs()), gone)
	for _, t := range c.Source.Texts() {
		t.ImageIDs = slices.DeleteFunc(slices.Clone(t.ImageIDs), gone)
		h.texts[t.ID] = t
		for _, id := range t.ImageIDs {
			h.captions[id], h.captionIDs[id] = append(h.captions[id], t.Text), append(h.captionIDs[id], t.ID)
			h.named[caption(t.Text)] = append(h.named[caption(t.Text)], id)
		}
	}
	for i, s := range c.Sides {
		scores, err := s.scores(ctx, c.Source.Texts())
		if err != nil {
			return nil, fmt.Errorf("explore: side %d (%q): %w", i, s.Name, err)
		}
		h.sides = append(h.sides, &side{Side: s, scores: scores})
	}
	for i, s := range h.sides {
		s.encoder = newEncoder(s.Model, h.metrics, i)
	}
	if err := h.warm(ctx, c.Progress); err != nil {
		h.Close()
		return nil, err
	}
	h.handler = h.guard(h.routes())
	return h, nil
}

// absent are the pictures that no index has, sorted: those that could not be read when it was built.
func (c Config) absent(ctx context.Context) (ids []int64, err error) {
	ids = c.Source.ImageIDs()
	for _, s := range c.Sides {
		if ids, err = s.Images.Missing(ctx, ids...); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(slices.Values(ids)), nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Close ends the encoders; requests that still come are answered with 503.
func (h *Handler) Close() {
	for _, s := range h.sides {
		s.encoder.close()
	}
}
