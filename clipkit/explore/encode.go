package explore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"clipnb/clipkit/imaging"
)

// encode gives vectors to other programs and to later cells of a notebook.
func (h *Handler) encode(r *http.Request) (vectors any, err error) {
	if err := saysJSON(r); err != nil {
		return nil, err
	}
	body, done, err := h.bodies.Read(r, maxEncode)
	defer done()
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return nil, fmt.Errorf("a request of more than %d KiB: %w", maxEncode>>10, err)
	} else if err != nil {
		return nil, unread("request", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
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
	var pixels []float32
	for i, encoded := range files {
		p, err := h.prepare(ctx, encoded)
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
		pixels = append(pixels, imaging.Normalise(p.rgb[side])...)
	}
	m := h.sides[side].Model
	flat, err := many(ctx, pixels, len(files), m.EncodeImages)
	return slices.Collect(slices.Chunk(flat, m.Config.EmbedDim)), err
}
