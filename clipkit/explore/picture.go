package explore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// errGone says that a visitor's picture is not kept any more: 410.
var errGone = errors.New("this picture is not kept any more; send it again")

// picture is one that can be searched with: its pixels for each model, and its vectors as far as they have been asked for.
type picture struct {
	width, height int
	rgb           []*imaging.Picture // [R,R] by side

	mu      sync.Mutex
	vectors [][]float32 // by side
}

// prepare decodes a picture file for all sides.
func (h *Handler) prepare(ctx context.Context, encoded []byte) (p *picture, err error) {
	err = h.decoding.do(ctx, func() error {
		decoded, err := imaging.DecodeContext(ctx, encoded)
		if err != nil {
			return err
		}
		p = &picture{width: decoded.Width, height: decoded.Height, vectors: make([][]float32, len(h.sides))}
		for i, s := range h.sides {
			r := s.Model.Config.ImageResolution
			if i > 0 && r == h.sides[0].Model.Config.ImageResolution {
				p.rgb = append(p.rgb, p.rgb[0])
				continue
			}
			p.rgb = append(p.rgb, decoded.Resize(r, r).RGB())
		}
		return nil
	})
	return p, err
}

// vector encodes a picture for one side.
func (h *Handler) vector(ctx context.Context, p *picture, side int) ([]float32, error) {
	p.mu.Lock()
	v := p.vectors[side]
	p.mu.Unlock()
	if v != nil {
		return v, nil
	}
	v, err := h.sides[side].encoder.pixels(ctx, imaging.Normalise(p.rgb[side]))
	if err == nil {
		p.mu.Lock()
		p.vectors[side] = v
		p.mu.Unlock()
	}
	return v, err
}

// keepPicture makes a visitor's picture ready for searches and gives its key.
func (h *Handler) keepPicture(ctx context.Context, encoded []byte) (key string, p *picture, err error) {
	sum := sha256.Sum256(encoded)
	key = hex.EncodeToString(sum[:16])
	if p, ok := h.pictures.Get(key); ok {
		return key, p, nil
	}
	if p, err = h.prepare(ctx, encoded); err == nil {
		h.pictures.Add(key, p)
	}
	return key, p, err
}

// takePicture keeps a visitor's picture for searches.
func (h *Handler) takePicture(r *http.Request) (any, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !strings.HasPrefix(kind, "image/") && kind != "application/octet-stream" {
		return nil, fmt.Errorf("%w %.60q; want image/… and the file's bytes as the body", errMedia, r.Header.Get("Content-Type"))
	}
	encoded, done, err := h.bodies.Read(r, maxPicture)
	defer done()
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, fmt.Errorf("a picture of more than %d MiB; make it smaller first: %w", maxPicture>>20, err)
		}
		return nil, unread("picture", err)
	}
	key, p, err := h.keepPicture(r.Context(), encoded)
	if err != nil {
		return nil, err
	}
	return map[string]any{"picture": key, "width": p.width, "height": p.height}, nil
}

// visitors gives a picture that keepPicture has kept.
func (h *Handler) visitors(key string) (*picture, error) {
	if p, ok := h.pictures.Get(key); ok && len(key) == 32 {
		return p, nil
	}
	return nil, errGone
}

// ofSet gives a picture of the set, ready for searches.
func (h *Handler) ofSet(ctx context.Context, id int64) (*picture, error) {
	key := "id " + strconv.FormatInt(id, 10)
	if p, ok := h.pictures.Get(key); ok {
		return p, nil
	}
	encoded, err := h.source.Image(id)
	if err != nil {
		return nil, err
	}
	p, err := h.prepare(ctx, encoded)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dataset.Label(h.source, id), err)
	}
	h.pictures.Add(key, p)
	return p, nil
}
