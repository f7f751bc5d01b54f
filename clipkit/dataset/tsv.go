package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"sync"

	"clipnb/clipkit/internal/regular"
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
	f, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s; a split is a pair of files, _imgs.tsv and _texts.jsonl", ErrNotFound, path)
	}
	return f, err
}

// file is bytes that can be read in place, and their name for messages.
type file struct {
	name string
	data io.ReaderAt
}

func newTSV(name string, imgs file, textsName string, texts io.Reader) (*storedSource, error) {
	ids, at, err := indexTSV(imgs.name, io.NewSectionReader(imgs.data, 0, math.MaxInt64))
	if err != nil {
		return nil, err
	}
	captions, err := readTexts(textsName, texts)
	if err != nil {
		return nil, err
	}
	s := &storedSource{name: name, imgs: imgs, ids: ids, at: at, texts: captions, close: func() error { return nil }}
	if c, ok := imgs.data.(io.Closer); ok {
		s.close = sync.OnceValue(c.Close)
	}
	return s, s.checkImages(func(text int) string { return fmt.Sprintf("%s:%d", textsName, text+1) })
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
		case err != nil && err != io.EOF && err != bufio.ErrBufferFull:
			return nil, nil, fmt.Errorf("reading %s:%d: %w", name, line, err)
		case line == 1 && marked(name, chunk) != "":
			return nil, nil, bad("%s", marked(name, chunk))
		case len(bytes.TrimSpace(chunk)) == 0:
			return nil, nil, bad("blank line; want <image id>TAB<base64>")
		case !ok:
			return nil, nil, bad("no TAB; want <image id>TAB<base64>")
		case len(bytes.TrimSpace(value)) == 0 && err != bufio.ErrBufferFull:
			return nil, nil, bad("no picture after the TAB; want <image id>TAB<base64>")
		}
		if problem := pythonBytes(value); problem != "" {
			return nil, nil, bad("%s", problem)
		}
		id, parseErr := strconv.ParseInt(string(key), 10, 64)
		if parseErr != nil {
			return nil, nil, bad("image id must be an integer, not %.40q; number the pictures, here and in image_ids", key)
		}
		if first, ok := at[id]; ok {
			return nil, nil, bad("image id %d is already on line %d; give every picture its own id, or keep one of the lines", id, first.line)
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
			return nil, nil, bad("line longer than %d MiB; make the picture smaller", maxImageLine>>20)
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
