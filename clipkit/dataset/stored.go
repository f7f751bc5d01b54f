package dataset

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"clipnb/clipkit/internal/pybase64"
)

// storedSource is a split whose pictures lie as base64 in one file, at known places.
type storedSource struct {
	name  string
	imgs  file
	ids   []int64
	at    map[int64]extent
	texts []Text
	lmdb  bool
	close func() error
}

var _ Source = (*storedSource)(nil)

// extent is where in the file the base64 of a picture stands. line is 0 in an LMDB; in a tsv, where no line is blank, it is an index
// plus one.
type extent struct {
	offset int64
	length int32
	line   int32
}

func (s *storedSource) Name() string      { return s.name }
func (s *storedSource) ImageIDs() []int64 { return s.ids }
func (s *storedSource) Texts() []Text     { return s.texts }
func (s *storedSource) Close() error      { return s.close() }

func (s *storedSource) Image(id int64) ([]byte, error) {
	encoded, err := s.encoded(id, nil)
	if err != nil {
		return nil, err
	}
	return s.decoded(id, encoded)
}

// encoded reads the base64 of a picture into buf, which grows where it must.
func (s *storedSource) encoded(id int64, buf []byte) ([]byte, error) {
	e, ok := s.at[id]
	if !ok {
		return nil, fmt.Errorf("%w: image %d in %s", ErrNotFound, id, s.name)
	}
	buf = slices.Grow(buf[:0], int(e.length))[:e.length]
	switch n, err := s.imgs.data.ReadAt(buf, e.offset); {
	case n == len(buf):
		return bytes.TrimSpace(buf), nil
	case err == io.EOF:
		return nil, fmt.Errorf("%w: image %d, %s: the file ends in the middle of it, and did not when it was opened; leave it alone, and open it again", ErrFormat, id, s.place(id))
	default:
		return nil, fmt.Errorf("reading image %d, %s: %w", id, s.place(id), formatError(err))
	}
}

func (s *storedSource) decoded(id int64, encoded []byte) ([]byte, error) {
	problem := pythonBytes(encoded)
	data, err := pybase64.Decode(encoded)
	if err == nil && problem == "" {
		problem = pythonBytes(data)
	}
	if problem != "" {
		return nil, fmt.Errorf("%w: image %d, %s: %s", ErrFormat, id, s.place(id), problem)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: image %d, %s: %v; write the picture again, or take it and its captions out", ErrFormat, id, s.place(id), err)
	}
	return data, nil
}

func (s *storedSource) place(id int64) string {
	if line := s.at[id].line; line > 0 {
		return fmt.Sprintf("%s:%d", s.imgs.name, line)
	}
	return s.imgs.name
}

// pythonBytes says that data is how Python prints bytes, b'…', which programs write that convert with str() where they should decode. No picture
// begins so, and no base64.
func pythonBytes(data []byte) string {
	if !bytes.HasPrefix(data, []byte("b'")) && !bytes.HasPrefix(data, []byte(`b"`)) {
		return ""
	}
	return fmt.Sprintf("%.12q: Python's str() of bytes was written, not the bytes; write base64.b64encode(picture).decode() instead", data)
}

// checkImages finds captions of pictures that are not there. captionPlace names the caption by its index.
func (s *storedSource) checkImages(captionPlace func(text int) string) error {
	var first error
	missing := make(map[int64]bool)
	for i, text := range s.texts {
		for _, id := range text.ImageIDs {
			if _, ok := s.at[id]; ok {
				continue
			}
			if missing[id] = true; first == nil {
				first = fmt.Errorf("%w: %s: image id %d is not in %s", ErrFormat, captionPlace(i), id, s.imgs.name)
			}
		}
	}
	if first != nil {
		return fmt.Errorf("%w; %d such ids in all: add the pictures, or take the ids out of image_ids", first, len(missing))
	}
	return nil
}
