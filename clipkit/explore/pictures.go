package explore

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

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
