package explore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"strconv"
	"sync"

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
		decoded, err := imaging.Decode(encoded)
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

// keep makes a visitor's picture ready for searches and gives its key.
func (h *Handler) keep(ctx context.Context, encoded []byte) (key string, p *picture, err error) {
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

// visitors gives a picture that keep has kept.
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
		return nil, fmt.Errorf("picture %d: %w", id, err)
	}
	h.pictures.Add(key, p)
	return p, nil
}

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
