package explore

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"strconv"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/intake"
)

//go:embed static
var static embed.FS

const (
	maxPicture = 16 << 20
	maxEncode  = 24 << 20
	maxAsk     = 64 << 10
	maxText    = 2000 // characters; the models read 50 tokens
	maxPage    = 500  // pictures or texts listed at once
)

// badRequest is an error that the caller can mend: 400.
type badRequest string

func (b badRequest) Error() string { return string(b) }

func badf(format string, args ...any) error { return badRequest(fmt.Sprintf(format, args...)) }

// routes are all addresses, each with its one method; another one gets 405.
func (h *Handler) routes() http.Handler {
	mux := http.NewServeMux()
	pages, _ := fs.Sub(static, "static")
	files := http.FileServerFS(pages)
	for _, path := range []string{"GET /{$}", "GET /{file}"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache") // the next version has the same names
			files.ServeHTTP(w, r)
		})
	}
	mux.HandleFunc("GET /thumb/{set}/{side}/{id}", h.serveThumb)
	mux.HandleFunc("GET /api/info", answer(h.info))
	mux.HandleFunc("GET /api/pictures", answer(h.listPictures))
	mux.HandleFunc("GET /api/texts", answer(h.listTexts))
	mux.HandleFunc("POST /api/search", answer(h.search))
	mux.HandleFunc("POST /api/picture", answer(h.takePicture))
	mux.HandleFunc("POST /api/encode", answer(h.encode))
	mux.HandleFunc("POST /api/why", answer(h.explain))
	mux.HandleFunc("POST /api/ticket", answer(h.giveTicket))
	mux.HandleFunc("POST /ticket", answer(h.takeTicket))
	mux.HandleFunc("GET /open/{ticket}", h.openByTicket)
	mux.HandleFunc("GET /healthz", answer(h.health))
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		h.metrics.write(w)
	})
	return mux
}

// answer writes what f gives as JSON, or its error with the status that fits.
func answer[T any](f func(*http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		v, err := f(r.WithContext(ctx))
		if err != nil {
			fail(w, statusOf(err), err)
			return
		}
		reply(w, http.StatusOK, v)
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader may have gone
}

func fail(w http.ResponseWriter, status int, err error) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, status, map[string]string{"error": err.Error()})
}

// statusOf sorts errors: the caller's, then ours.
func statusOf(err error) int {
	var bad badRequest
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large), errors.Is(err, imaging.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, intake.ErrSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, errTicket):
		return http.StatusUnauthorized
	case errors.Is(err, errMedia):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, imaging.ErrFormat), errors.Is(err, imaging.ErrCorrupt):
		return http.StatusUnprocessableEntity
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, errGone):
		return http.StatusGone
	case errors.Is(err, dataset.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, errBusy), errors.Is(err, intake.ErrBusy), errors.Is(err, errUnwell):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		return 499 // nobody reads it; for the metrics
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

var (
	errMedia  = errors.New("unsupported Content-Type")
	errUnwell = errors.New("a model does not encode")
)

// ask reads a JSON object into v, strictly. The Content-Type is one that no HTML form can send.
func ask(r *http.Request, limit int64, v any) error {
	if err := saysJSON(r); err != nil {
		return err
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return fmt.Errorf("a request of more than %d KiB: %w", limit>>10, err)
		}
		return unread("request", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badf("reading the request: something follows the JSON object")
	}
	return nil
}

func saysJSON(r *http.Request) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("%w %.60q; want application/json", errMedia, r.Header.Get("Content-Type"))
	}
	return nil
}

// unread is the error of a body that could not be read: ours or the client's.
func unread(what string, err error) error {
	if errors.Is(err, intake.ErrSlow) || errors.Is(err, intake.ErrBusy) {
		return err
	}
	return badf("reading the %s: %v", what, err)
}

// info is what the page needs to begin.
func (h *Handler) info(*http.Request) (any, error) {
	type sideInfo struct {
		Name       string    `json:"name"`
		Model      string    `json:"model"`
		Device     string    `json:"device"`
		Dim        int       `json:"dim"`
		Resolution int       `json:"resolution"`
		LogitScale float64   `json:"logit_scale"`
		ToTexts    bool      `json:"to_texts"`
		Scores     *ScoreBar `json:"scores"` // null: no labelled pairs are known
	}
	var sides []sideInfo
	for _, s := range h.sides {
		scale, err := s.Model.LogitScale()
		if err != nil {
			return nil, err
		}
		c := s.Model.Config
		sides = append(sides, sideInfo{s.Name, c.Name, s.Model.Device.String(), c.EmbedDim, c.ImageResolution, scale, s.Texts != nil, s.scores.bar()})
	}
	return map[string]any{
		"title": h.title, "set": h.set, "source": h.source.Name(),
		"pictures": len(h.ids), "texts": len(h.source.Texts()), "models": sides,
		"limits": map[string]int{"picture_bytes": maxPicture, "text": maxText, "k": maxK, "page": maxPage},
	}, nil
}

// item is a picture in a list.
type item struct {
	ID       int64    `json:"id"`
	Captions []string `json:"captions"`
}

// label names pictures of a source that knows more than captions, such as their files.
type label interface{ Label(id int64) string }

func (h *Handler) item(id int64) item {
	captions := h.captions[id]
	if len(captions) == 0 {
		if l, ok := h.source.(label); ok {
			captions = []string{l.Label(id)}
		}
	}
	return item{ID: id, Captions: captions}
}

func (h *Handler) listPictures(r *http.Request) (any, error) {
	from, to, err := span(r, len(h.ids))
	if err != nil {
		return nil, err
	}
	list := []item{}
	for _, id := range h.ids[from:to] {
		list = append(list, h.item(id))
	}
	return map[string]any{"total": len(h.ids), "pictures": list}, nil
}

func (h *Handler) listTexts(r *http.Request) (any, error) {
	texts := h.source.Texts()
	from, to, err := span(r, len(texts))
	if err != nil {
		return nil, err
	}
	type text struct {
		ID       int64   `json:"id"`
		Text     string  `json:"text"`
		Pictures []int64 `json:"pictures"`
	}
	list := []text{}
	for _, t := range texts[from:to] {
		list = append(list, text{t.ID, t.Text, h.texts[t.ID].ImageIDs})
	}
	return map[string]any{"total": len(texts), "texts": list}, nil
}

// span reads ?from=&n=, which ask for a part of total.
func span(r *http.Request, total int) (from, to int, err error) {
	n := 100
	for _, p := range []struct {
		name string
		v    *int
		most int
	}{{"from", &from, total}, {"n", &n, maxPage}} {
		if text := r.URL.Query().Get(p.name); text != "" {
			v, err := strconv.Atoi(text)
			if err != nil || v < 0 || v > p.most {
				return 0, 0, badf("%s=%.20q: want a number from 0 to %d", p.name, text, p.most)
			}
			*p.v = v
		}
	}
	return from, min(from+n, total), nil
}

// health encodes a text with every model, through the same queue as all others.
func (h *Handler) health(r *http.Request) (any, error) {
	var ms []float64
	for _, s := range h.sides {
		start := time.Now()
		ids, _ := s.encoder.tokens("健康检查")
		v, err := s.encoder.ask(r.Context(), &job{ids: ids})
		if err == nil {
			err = finite(v)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errUnwell, s.Name, err)
		}
		ms = append(ms, float64(time.Since(start).Microseconds())/1000)
	}
	return map[string]any{"status": "ok", "encode_ms": ms, "title": h.title}, nil
}

// finite refuses vectors of a model that diverged.
func finite(v []float32) error {
	for _, x := range v {
		if x-x != 0 {
			return fmt.Errorf("the model gives %v, which is no number: it has diverged; take an earlier checkpoint", x)
		}
	}
	return nil
}

func (h *Handler) side(i int) (*side, error) {
	if i < 0 || i >= len(h.sides) {
		return nil, badf("model %d; there are %d, counted from 0", i, len(h.sides))
	}
	return h.sides[i], nil
}
