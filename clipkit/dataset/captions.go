package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// The names of the two columns that are read, or fields of a JSON line, in order of preference; case and surrounding space do not count.
var (
	imageColumns   = []string{"image", "image_id", "file", "file_name", "filename", "path", "filepath"}
	captionColumns = []string{"caption", "text", "title", "sentence"}
)

// caption is one line of a caption file.
type caption struct {
	image string // path below the folder, with slashes
	text  string
	line  int
}

// readCaptions reads captions in file order; the ending of the name says how: .csv, .tsv (both with a header line) or .jsonl.
func readCaptions(name string, r io.Reader) ([]caption, error) {
	in := &budget{r: r}
	in.left = maxTextLine
	text := bufio.NewReaderSize(in, 4096)
	start, err := text.Peek(3)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, fmt.Errorf("%w: %s:1: UTF-16; save the file as UTF-8", ErrFormat, name)
	case bytes.Equal(start, []byte("\xef\xbb\xbf")): // what Excel begins UTF-8 with
		text.Discard(3)
	}
	next := jsonCaptions(text)
	switch ending := strings.ToLower(path.Ext(name)); ending {
	case ".csv", ".tsv":
		if next, err = csvCaptions(text, map[string]rune{".csv": ',', ".tsv": '\t'}[ending]); err != nil {
			return nil, fmt.Errorf("%w: %s:1: %w", ErrFormat, name, err)
		}
	case ".jsonl":
	default:
		return nil, fmt.Errorf("%w: %s: captions are read from .csv, .tsv and .jsonl, not %q", ErrFormat, name, ending)
	}
	var captions []caption
	for {
		in.left = maxTextLine
		c, err := next()
		if err == io.EOF {
			break
		}
		if err == nil {
			c, err = c.check()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s:%d: %w", ErrFormat, name, c.line, err)
		}
		captions = append(captions, c)
	}
	if len(captions) == 0 {
		return nil, fmt.Errorf("%w: %s has no captions", ErrFormat, name)
	}
	return captions, nil
}

// check makes the path one with slashes. A path cannot leave the folder: it is looked up among the pictures found there.
func (c caption) check() (caption, error) {
	c.image, c.text = path.Clean(strings.ReplaceAll(strings.TrimSpace(c.image), `\`, "/")), strings.TrimSpace(c.text)
	switch {
	case !utf8.ValidString(c.image) || !utf8.ValidString(c.text):
		return c, errors.New("not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)")
	case c.image == ".":
		return c, errors.New("no picture named")
	case c.text == "":
		return c, fmt.Errorf("no caption for %s", c.image)
	}
	return c, nil
}

// budget stops a reader that would take a whole file for one record, as one forgotten quotation mark makes a CSV reader do.
type budget struct {
	r    io.Reader
	left int
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("record longer than %d MiB; a quotation mark is probably not closed", maxTextLine>>20)
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}

// csvCaptions reads the header and returns what reads a record.
func csvCaptions(r io.Reader, comma rune) (func() (caption, error), error) {
	in := csv.NewReader(r)
	in.Comma = comma
	header, err := in.Read()
	if err == io.EOF {
		return nil, errors.New("empty; want a header line such as image,caption")
	}
	if err != nil {
		return nil, err
	}
	if strings.IndexFunc(strings.Join(header, ""), func(r rune) bool { return r == utf8.RuneError }) >= 0 {
		return nil, errors.New("not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)")
	}
	for i, name := range header {
		header[i] = strings.ToLower(strings.TrimSpace(name))
	}
	image, text := column(header, imageColumns), column(header, captionColumns)
	if image < 0 || text < 0 {
		return nil, fmt.Errorf("the columns are %s; want one of %s and one of %s",
			strings.Join(header, ", "), strings.Join(imageColumns, ", "), strings.Join(captionColumns, ", "))
	}
	line := 1
	return func() (caption, error) {
		record, err := in.Read()
		if wrong := (*csv.ParseError)(nil); errors.As(err, &wrong) {
			return caption{line: wrong.StartLine}, wrong.Err
		}
		if err != nil {
			return caption{line: line + 1}, err
		}
		line, _ = in.FieldPos(0)
		return caption{record[image], record[text], line}, nil
	}, nil
}

func column(header, names []string) int {
	for _, name := range names {
		if i := slices.Index(header, name); i >= 0 {
			return i
		}
	}
	return -1
}

// jsonCaptions returns what reads a line: an object with a picture and a caption.
func jsonCaptions(r *bufio.Reader) func() (caption, error) {
	line := 0
	return func() (caption, error) {
		data, err := r.ReadBytes('\n')
		line++
		c := caption{line: line}
		switch {
		case err == io.EOF && len(data) == 0:
			return c, err
		case err != nil && err != io.EOF:
			return c, err
		case len(bytes.TrimSpace(data)) == 0:
			return c, errors.New("blank line; every line is one JSON object")
		case !utf8.Valid(data):
			return c, errors.New("not UTF-8")
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			return c, fmt.Errorf("not a JSON object: %w", err)
		}
		c.image, err = field(fields, imageColumns)
		if err == nil {
			c.text, err = field(fields, captionColumns)
		}
		return c, err
	}
}

func field(fields map[string]json.RawMessage, names []string) (value string, err error) {
	for _, name := range names {
		if raw, ok := fields[name]; ok {
			if err := json.Unmarshal(raw, &value); err != nil || raw[0] != '"' {
				return "", fmt.Errorf("%s must be a string, not %.40s", name, raw)
			}
			return value, nil
		}
	}
	return "", fmt.Errorf("no field %s", strings.Join(names, ", "))
}
