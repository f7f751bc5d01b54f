package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// given is a split in memory.
type given struct {
	texts  []Text
	images map[int64]string
}

func (s given) Name() string  { return "given" }
func (s given) Close() error  { return nil }
func (s given) Texts() []Text { return s.texts }
func (s given) ImageIDs() (ids []int64) {
	for id := range s.images {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
func (s given) Image(id int64) ([]byte, error) {
	if data, ok := s.images[id]; ok && data != "" {
		return []byte(data), nil
	}
	return nil, fmt.Errorf("%w: image %d in given", ErrNotFound, id)
}

func texts(captions ...string) (out []Text) {
	for i, c := range captions {
		out = append(out, Text{ID: int64(i + 1), Text: c, ImageIDs: []int64{int64(i + 1)}})
	}
	return out
}

// somePictures are n different ones with ids from 1.
func somePictures(t *testing.T, n int) map[int64]string {
	t.Helper()
	dir := t.TempDir()
	out := make(map[int64]string)
	for i := range n {
		out[int64(i+1)] = picture(t, dir, 40, 40, i)
	}
	return out
}

func picture(t *testing.T, dir string, width, height, shade int) string {
	t.Helper()
	putPicture(t, dir, "p.png", width, height, shade)
	data, err := os.ReadFile(filepath.Join(dir, "p.png"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
