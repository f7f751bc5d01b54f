package explore

import (
	"bytes"
	"clipnb/clipkit/imaging"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"slices"
	"strconv"
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
	err = h.decoding.do(ctx, func() error {
		p, err := imaging.Decode(encoded)
		if err != nil {
			return err
		}
		made, err = shrink(p, t.side)
		return err
	})
	if err == nil && t.side == thumbSides[0] { // the large ones are seen once
		h.thumbs.Add(t, made)
	}
	return made, err
}

// shrink makes a picture fit into side × side pixels: a JPEG, or a PNG where something shines through.
func shrink(p *imaging.Picture, side int) (thumbnail, error) {
	if p.Mode != imaging.RGBA && p.Mode != imaging.GreyAlpha {
		p = p.RGB()
	}
	if longer := max(p.Width, p.Height); longer > side {
		p = p.Resize(max(1, p.Width*side/longer), max(1, p.Height*side/longer))
	}
	var b bytes.Buffer
	if p.Mode != imaging.RGB {
		err := png.Encode(&b, p.Image())
		return thumbnail{"image/png", b.Bytes()}, err
	}
	err := jpeg.Encode(&b, opaque(p), &jpeg.Options{Quality: 85})
	return thumbnail{"image/jpeg", b.Bytes()}, err
}

// opaque is an RGB picture in the form that image/jpeg is quick with.
func opaque(p *imaging.Picture) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	for i := range p.Width * p.Height {
		copy(m.Pix[4*i:], p.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	return m
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
