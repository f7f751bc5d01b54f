package dataset

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
)

// maxImageLine bounds a line of a tsv, which is one picture.
const maxImageLine = 64 << 20

// OpenTSV opens one split in the raw layout. Pictures stay in the file, which must not change while the source is open.
func OpenTSV(name, imgs, texts string) (Source, error) {
	pictures, err := openFile(imgs)
	if err != nil {
		return nil, err
	}
	captions, err := openFile(texts)
	if err != nil {
		pictures.Close()
		return nil, err
	}
	defer captions.Close()
	s, err := newTSV(name, file{imgs, pictures}, texts, captions)
	if err != nil {
		pictures.Close()
		return nil, err
	}
	return s, nil
}

func openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s; a split is a pair of files, _imgs.tsv and _texts.jsonl", ErrNotFound, path)
	}
	return f, err
}

// file is bytes that can be read in place, and their name for messages.
type file struct {
	name string
	data interface {
		io.Reader
		io.ReaderAt
	}
}

// tsvSource is a split in the raw layout.
type tsvSource struct {
	name  string
	imgs  file
	ids   []int64
	at    map[int64]extent
	texts []Text
	close func() error
}

var _ Source = (*tsvSource)(nil)

// extent is where in the tsv the base64 of a picture stands. No line is blank, so a line number is an index plus one.
type extent struct {
	offset int64
	length int32
	line   int32
}

func newTSV(name string, imgs file, textsName string, texts io.Reader) (*tsvSource, error) {
	ids, at, err := indexTSV(imgs.name, imgs.data)
	if err != nil {
		return nil, err
	}
	captions, err := readTexts(textsName, texts)
	if err != nil {
		return nil, err
	}
	for i, text := range captions {
		for _, id := range text.ImageIDs {
			if _, ok := at[id]; !ok {
				return nil, fmt.Errorf("%w: %s:%d: image id %d is not in %s", ErrFormat, textsName, i+1, id, imgs.name)
			}
		}
	}
	s := &tsvSource{name: name, imgs: imgs, ids: ids, at: at, texts: captions, close: func() error { return nil }}
	if c, ok := imgs.data.(io.Closer); ok {
		s.close = sync.OnceValue(c.Close)
	}
	return s, nil
}

func (s *tsvSource) Name() string      { return s.name }
func (s *tsvSource) ImageIDs() []int64 { return s.ids }
func (s *tsvSource) Texts() []Text     { return s.texts }
func (s *tsvSource) Close() error      { return s.close() }

func (s *tsvSource) Image(id int64) ([]byte, error) {
	e, ok := s.at[id]
	if !ok {
		return nil, fmt.Errorf("%w: image %d in %s", ErrNotFound, id, s.name)
	}
	encoded := make([]byte, e.length)
	if _, err := s.imgs.data.ReadAt(encoded, e.offset); err != nil && !(err == io.EOF) {
		return nil, fmt.Errorf("reading image %d, %s:%d: %w", id, s.imgs.name, e.line, err)
	}
	data, err := decodeBase64(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: image %d, %s:%d: %v", ErrFormat, id, s.imgs.name, e.line, err)
	}
	return data, nil
}

// indexTSV finds the pictures in one pass that holds no line, since a file may have many gigabytes.
func indexTSV(name string, r io.Reader) (ids []int64, at map[int64]extent, err error) {
	in := bufio.NewReaderSize(r, 1<<18)
	at = make(map[int64]extent)
	var offset int64 // of the line
	for line := int32(1); ; line++ {
		chunk, err := in.ReadSlice('\n')
		if err == io.EOF && len(chunk) == 0 {
			break
		}
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%w: %s:%d: %s", ErrFormat, name, line, fmt.Sprintf(format, args...))
		}
		key, value, ok := bytes.Cut(chunk, []byte{'\t'})
		switch {
		case len(bytes.TrimSpace(chunk)) == 0:
			return nil, nil, bad("blank line; want <image id>TAB<base64>")
		case !ok:
			return nil, nil, bad("no TAB; want <image id>TAB<base64>")
		case len(bytes.TrimSpace(value)) == 0 && err != bufio.ErrBufferFull:
			return nil, nil, bad("no picture after the TAB; want <image id>TAB<base64>")
		}
		id, parseErr := strconv.ParseInt(string(key), 10, 64)
		if parseErr != nil {
			return nil, nil, bad("image id must be an integer, not %.40q", key)
		}
		if first, ok := at[id]; ok {
			return nil, nil, bad("image id %d is already on line %d", id, first.line)
		}
		start, size := int64(len(key)+1), int64(len(chunk))
		tabs := bytes.Count(value, []byte{'\t'})
		for err == bufio.ErrBufferFull && size <= maxImageLine {
			chunk, err = in.ReadSlice('\n')
			size += int64(len(chunk))
			tabs += bytes.Count(chunk, []byte{'\t'})
		}
		switch {
		case size > maxImageLine:
			return nil, nil, bad("line longer than %d MiB", maxImageLine>>20)
		case err != nil && err != io.EOF:
			return nil, nil, fmt.Errorf("reading %s:%d: %w", name, line, err)
		case tabs > 0:
			return nil, nil, bad("%d fields; want two, <image id>TAB<base64>", tabs+2)
		}
		ids = append(ids, id)
		at[id] = extent{offset: offset + start, length: int32(size - start), line: line}
		offset += size
	}
	if len(ids) == 0 {
		return nil, nil, fmt.Errorf("%w: %s is empty; want lines of <image id>TAB<base64>", ErrFormat, name)
	}
	return ids, at, nil
}

// base64Value translates the characters of both alphabets to the standard one; 0 is for bytes that are skipped.
var base64Value = func() (value [256]byte) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		value[c] = byte(c)
	}
	value['-'], value['_'] = '+', '/'
	return value
}()

// decodeBase64 is Python's urlsafe_b64decode, which the reference reads pictures with (SPEC §4.3): both alphabets, other bytes skipped,
// padding required, nothing read after it. It uses encoded as scratch.
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
