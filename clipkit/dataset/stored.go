package dataset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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
	e, ok := s.at[id]
	if !ok {
		return nil, fmt.Errorf("%w: image %d in %s", ErrNotFound, id, s.name)
	}
	place := s.imgs.name
	if e.line > 0 {
		place = fmt.Sprintf("%s:%d", place, e.line)
	}
	encoded := make([]byte, e.length)
	switch n, err := s.imgs.data.ReadAt(encoded, e.offset); {
	case n == len(encoded):
	case err == io.EOF:
		return nil, fmt.Errorf("%w: image %d, %s: the file ends in the middle of it, and did not when it was opened; leave it alone, and open it again", ErrFormat, id, place)
	default:
		return nil, fmt.Errorf("reading image %d, %s: %w", id, place, err)
	}
	problem := pythonBytes(encoded)
	data, err := decodeBase64(encoded)
	if err == nil && problem == "" {
		problem = pythonBytes(data)
	}
	if problem != "" {
		return nil, fmt.Errorf("%w: image %d, %s: %s", ErrFormat, id, place, problem)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: image %d, %s: %v; write the picture again, or take it and its captions out", ErrFormat, id, place, err)
	}
	return data, nil
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

// base64Value translates the characters of both alphabets to the standard one; 0 is for bytes that are skipped.
var base64Value = func() (value [256]byte) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		value[c] = byte(c)
	}
	value['-'], value['_'] = '+', '/'
	return value
}()

// decodeBase64 is Python's urlsafe_b64decode, which the reference reads pictures with (cn_clip/training/data.py:110): both alphabets, other
// bytes skipped, padding required, nothing read after it. It uses encoded as scratch.
func decodeBase64(encoded []byte) ([]byte, error) {
	kept, pads := encoded[:0], 0
	padded := false
	for _, c := range encoded {
		if c == '=' {
			if pads++; len(kept)%4 >= 2 && len(kept)%4+pads >= 4 {
				padded = true
				break
			}
			continue
		}
		if v := base64Value[c]; v != 0 {
			kept, pads = append(kept, v), 0
		}
	}
	switch {
	case len(kept)%4 == 1:
		return nil, fmt.Errorf("not base64: %d characters of data, which no padding completes", len(kept))
	case len(kept)%4 != 0 && !padded:
		return nil, fmt.Errorf("base64 without padding after %d characters; the line is probably cut off", len(kept))
	case len(kept) == 0:
		return nil, errors.New("no base64 data")
	}
	data := make([]byte, base64.RawStdEncoding.DecodedLen(len(kept)))
	n, err := base64.RawStdEncoding.Decode(data, kept)
	return data[:n], err
}
