package explore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"clipnb/clipkit/imaging"
)

// thumb names a small form of a picture of the set; thumbnail is that.
type thumb struct {
	id   int64
	side int
}

type thumbnail struct {
	kind string // media type
	data []byte
}

// thumbSides are the sizes that are made: for the grid and for a look at one.
var thumbSides = []int{192, 768}

func (h *Handler) thumbnail(ctx context.Context, t thumb) (thumbnail, error) {
	if kept, ok := h.thumbs.Get(t); ok {
		return kept, nil
	}
	encoded, err := h.source.Image(t.id)
	if err != nil {
		return thumbnail{}, err
	}
	var made thumbnail
	err = h.thumbing.do(ctx, func() error {
		p, err := imaging.DecodeContext(ctx, encoded)
		if err != nil {
			return err
		}
		made.kind, made.data, err = p.Thumbnail(t.side)
		return err
	})
	if err == nil && t.side == thumbSides[0] { // the large ones are seen once
		h.thumbs.Add(t, made)
	}
	return made, err
}

// serveThumb answers with an ETag, and lets browsers keep the picture.
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
