package explore

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"testing"

	"clipnb/clipkit/dataset"

	lru "github.com/hashicorp/golang-lru/v2"
)

// onePicture is a set of one.
type onePicture struct{ dataset.Source }

func (onePicture) Image(int64) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 8, 8)))
	return b.Bytes(), err
}

// Thumbnails have a gate of their own: uploads that are decoded, and wait for it, do not hold up the grid, nor the other way round.
// fault 19.12
func TestThumbnailsHaveTheirOwnGate(t *testing.T) {
	h := &Handler{source: onePicture{}, decoding: newGate(1, 0), thumbing: newGate(1, 0)}
	h.thumbs, _ = lru.New[thumb, thumbnail](1)
	err := h.decoding.do(t.Context(), func() error {
		_, err := h.thumbnail(t.Context(), thumb{1, thumbSides[0]})
		return err
	})
	if err != nil {
		t.Errorf("a thumbnail while uploads take their slots: %v", err)
	}
	encoded, _ := onePicture{}.Image(1)
	err = h.thumbing.do(t.Context(), func() error {
		_, err := h.prepare(context.Background(), encoded)
		return err
	})
	if err != nil {
		t.Errorf("an upload while thumbnails take theirs: %v", err)
	}
}
