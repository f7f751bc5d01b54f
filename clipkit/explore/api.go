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
	"slices"
	"strconv"
	"strings"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
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
	case errors.Is(err, errBusy), errors.Is(err, errUnwell):
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
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("%w %.60q; want application/json", errMedia, r.Header.Get("Content-Type"))
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return fmt.Errorf("a request of more than %d KiB: %w", limit>>10, err)
		}
		return badf("reading the request: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badf("reading the request: something follows the JSON object")
	}
	return nil
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
		"pictures": len(h.source.ImageIDs()), "texts": len(h.source.Texts()), "models": sides,
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
	ids := h.source.ImageIDs()
	from, to, err := span(r, len(ids))
	if err != nil {
		return nil, err
	}
	list := []item{}
	for _, id := range ids[from:to] {
		list = append(list, h.item(id))
	}
	return map[string]any{"total": len(ids), "pictures": list}, nil
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
		list = append(list, text{t.ID, t.Text, t.ImageIDs})
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

func (h *Handler) serveThumb(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	side, err2 := strconv.Atoi(r.PathValue("side"))
	if err != nil || err2 != nil || !slices.Contains(thumbSides, side) || r.PathValue("set") != h.set {
		fail(w, http.StatusNotFound, errors.New("no such picture"))
		return
	}
	tag := fmt.Sprintf(`"%s-%d-%d"`, h.set, side, id)
	kept := func() {
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == tag {
		kept()
		w.WriteHeader(http.StatusNotModified)
		return
	}
	t, err := h.thumbnail(r.Context(), thumb{id, side})
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	kept()
	w.Header().Set("Content-Type", t.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(t.data)))
	_, _ = w.Write(t.data)
}

// takePicture keeps a visitor's picture for searches.
func (h *Handler) takePicture(r *http.Request) (any, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !strings.HasPrefix(kind, "image/") && kind != "application/octet-stream" {
		return nil, fmt.Errorf("%w %.60q; want image/… and the file's bytes as the body", errMedia, r.Header.Get("Content-Type"))
	}
	var encoded []byte
	err := h.bulk.do(r.Context(), func() (err error) {
		encoded, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPicture))
		return err
	})
	if errors.Is(err, errBusy) {
		return nil, err
	}
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, fmt.Errorf("a picture of more than %d MiB; make it smaller first: %w", maxPicture>>20, err)
		}
		return nil, badf("reading the picture: %v", err)
	}
	key, p, err := h.keep(r.Context(), encoded)
	if err != nil {
		return nil, err
	}
	return map[string]any{"picture": key, "width": p.width, "height": p.height}, nil
}

// encode gives vectors to other programs and to later cells of a notebook.
func (h *Handler) encode(r *http.Request) (vectors any, err error) {
	err = h.bulk.do(r.Context(), func() (err error) {
		vectors, err = h.encodeBulk(r)
		return err
	})
	return vectors, err
}

func (h *Handler) encodeBulk(r *http.Request) (any, error) {
	var q struct {
		Texts    []string `json:"texts"`
		Pictures [][]byte `json:"pictures"`
		Model    int      `json:"model"`
		AsIs     bool     `json:"as_is"` // texts are tokenized as they are, without lower case and straight quotes
	}
	if err := ask(r, maxEncode, &q); err != nil {
		return nil, err
	}
	s, err := h.side(q.Model)
	if err != nil {
		return nil, err
	}
	if len(q.Texts)+len(q.Pictures) == 0 || len(q.Texts) > maxTexts || len(q.Pictures) > maxPictures {
		return nil, badf("%d texts and %d pictures; want at least one, at most %d and %d", len(q.Texts), len(q.Pictures), maxTexts, maxPictures)
	}
	vectors := map[string]any{"dim": s.Model.Config.EmbedDim, "model": s.Model.Config.Name, "hash": s.Images.Model()}
	if vectors["texts"], err = s.encodeTexts(r.Context(), q.Texts, q.AsIs); err != nil {
		return nil, err
	}
	vectors["pictures"], err = h.encodePictures(r.Context(), q.Pictures, q.Model)
	return vectors, err
}

const (
	maxTexts    = 256 // of one api/encode
	maxPictures = 64
)

func (s *side) encodeTexts(ctx context.Context, texts []string, asIs bool) ([][]float32, error) {
	var ids []int32
	for i, text := range texts {
		if err := checkText(text); err != nil {
			return nil, fmt.Errorf("text %d: %w", i, err)
		}
		if !asIs {
			text = caption(text)
		}
		row, _ := s.encoder.tokens(text)
		ids = append(ids, row...)
	}
	flat, err := many(ctx, ids, len(texts), s.Model.EncodeTexts)
	return slices.Collect(slices.Chunk(flat, s.Model.Config.EmbedDim)), err
}

func (h *Handler) encodePictures(ctx context.Context, files [][]byte, side int) ([][]float32, error) {
	var out [][]float32
	for i, encoded := range files {
		p, err := h.prepare(ctx, encoded)
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
		v, err := h.vector(ctx, p, side)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
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
