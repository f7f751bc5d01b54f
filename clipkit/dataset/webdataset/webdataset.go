// Package webdataset reads WebDataset shards, which img2dataset writes too: tar files in which members of one key are a sample.
//
//	splits, err := webdataset.Open("photos", dir, []string{"train/00000.tar", "train/00001.tar"})
//
// A key is a member's path up to the first dot of its last part. A sample has a picture, 000123.jpg (or another of imaging.Endings), and a
// caption: 000123.txt or 000123.caption, else 000123.json with a field of shape.Captions, a string or a list of them. Members of a key need not be
// neighbours, since a plain tar of a folder mixes them; samples stand in the order of their first members. Other members (cls, npy, …) are not
// read, and neither are the parquet and stats files that img2dataset puts beside its shards.
//
// Opening reads the headers and captions of all shards once, in sequence; a picture is then read by its place in the shard, which takes 16
// bytes of memory.
//
// # Bytes from outside
//
// Nothing is written to disk, so a member called ../../x leads nowhere. It, links, sparse members, members of more than shape.MaxPicture or
// shape.MaxCaption bytes, members that a key has twice, and samples without picture or caption are left out and counted. A shard that is cut off or
// damaged is an error, because nobody can tell how much of it is missing.
package webdataset

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/dataset/shape"
	"clipnb/clipkit/imaging"
)

// Find picks the shards out of the files of a folder.
func Find(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !strings.HasSuffix(strings.ToLower(f), ".tar") })
}

// place is where the bytes of a picture are.
type place struct {
	offset int64
	length int32
	shard  int32
}

// maxMembers bounds the samples of a shard that wait for their other members.
const maxMembers = 1 << 24

// Open opens the shards, which are paths below dir, as the splits that their names say.
func Open(name, dir string, shards []string) ([]*shape.Split, error) {
	of, err := shape.ByName(dir, shards)
	if err != nil {
		return nil, err
	}
	var splits []*shape.Split
	for _, kind := range []string{"train", "valid", "test"} {
		s, err := openSplit(name, kind, dir, of[kind])
		if err != nil {
			return nil, err
		}
		splits = append(splits, s)
	}
	return shape.Finish(splits...)
}

func openSplit(name, kind, dir string, shards []string) (*shape.Split, error) {
	s := shape.NewSplit(name, kind)
	var files []shape.File
	var at []place
	for _, shard := range shards {
		file, err := shape.Stat(filepath.Join(dir, filepath.FromSlash(shard)))
		if err != nil {
			return nil, err
		}
		in, err := file.Open()
		if err != nil {
			return nil, fmt.Errorf("opening a shard: %w", err)
		}
		places, err := index(s, file.Path, int32(len(files)), in)
		if err != nil && compressed(in) {
			err = fmt.Errorf("%w: %s is compressed with gzip; gunzip it: what is compressed cannot be read from the middle", shape.ErrFormat, file.Path)
		}
		in.Close()
		if err != nil {
			return nil, err
		}
		files, at = append(files, file), append(at, places...)
	}
	s.Label = func(i int) string { return files[at[i].shard].Path + ", " + memberAt(files[at[i].shard], at[i].offset) }
	s.Read = func(i int) ([]byte, error) {
		in, err := files[at[i].shard].Open()
		if err != nil {
			return nil, err
		}
		defer in.Close()
		data := make([]byte, at[i].length)
		_, err = io.ReadFull(io.NewSectionReader(in, at[i].offset, int64(len(data))), data)
		return data, err
	}
	return s, nil
}

func compressed(in io.ReaderAt) bool {
	var magic [2]byte
	_, err := in.ReadAt(magic[:], 0)
	return err == nil && magic == [2]byte{0x1f, 0x8b}
}

// sample is what a shard has of a key so far.
type sample struct {
	key       string
	picture   place // length 0: none
	captions  []string
	plainText bool   // captions are from a file of text, which counts before a JSON file
	broken    string // why a member of it was passed over
}

// index reads a shard from its beginning and adds its samples to s; it returns where their pictures are.
func index(s *shape.Split, shard string, number int32, in io.ReadSeeker) ([]place, error) {
	var samples []*sample
	of := make(map[string]*sample)
	position := newCounter(in)
	members := tar.NewReader(position)
	last := "its beginning"
	for {
		h, err := members.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s after %s: %w; the shard is cut off or damaged: copy or download it again", shape.ErrFormat, shard, last, err)
		}
		last = h.Name
		key, ending := split(h.Name)
		if key == "" {
			continue
		}
		is := kindOf(ending)
		if is == other {
			continue
		}
		m := of[key]
		if m == nil {
			if len(samples) == maxMembers {
				return nil, fmt.Errorf("%w: %s has more than %d samples; make smaller shards", shape.ErrFormat, shard, maxMembers)
			}
			m = &sample{key: key}
			of[key], samples = m, append(samples, m)
		}
		if reason := refused(h, is); reason != "" {
			m.broken = h.Name + " " + reason
			continue
		}
		if is == picture {
			if m.picture.length > 0 {
				m.broken = "a second picture " + h.Name
				continue
			}
			m.picture = place{position.at, int32(h.Size), number}
			continue
		}
		if is == jsonText && m.plainText {
			continue
		}
		data, err := io.ReadAll(members)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %s: %w; the shard is cut off or damaged: copy or download it again", shape.ErrFormat, shard, h.Name, err)
		}
		captions, reason := captionsOf(data, is)
		if reason != "" {
			m.broken = h.Name + ": " + reason
			continue
		}
		m.captions, m.plainText = captions, is == plainText
	}
	var places []place
	for _, m := range samples {
		switch {
		case m.picture.length > 0 && len(m.captions) > 0:
			s.Add(m.captions...)
			places = append(places, m.picture)
		case m.broken != "":
			s.LeftOut.Add(shard, m.broken)
		case m.picture.length == 0:
			s.LeftOut.Add(shard, m.key+" has no picture")
		default:
			s.LeftOut.Add(shard, m.key+" has no caption ("+path.Base(m.key)+".txt or .json)")
		}
	}
	return places, nil
}

// split parts a member's name into key and ending, in lower case; the key of what is no sample is "": hidden files, and those of WebDataset itself.
func split(name string) (key, ending string) {
	dir, base := path.Split(strings.TrimPrefix(name, "./"))
	base, ending, ok := strings.Cut(base, ".")
	if !ok || base == "" || strings.HasPrefix(base, "__") {
		return "", ""
	}
	return dir + base, strings.ToLower(ending)
}

const (
	other = iota
	picture
	plainText
	jsonText
)

func kindOf(ending string) int {
	switch {
	case ending == "txt" || ending == "caption":
		return plainText
	case ending == "json":
		return jsonText
	case !strings.Contains(ending, ".") && imaging.HasEnding("."+ending):
		return picture
	}
	return other
}

// refused says why a member is not read.
func refused(h *tar.Header, is int) string {
	limit := int64(shape.MaxPicture)
	if is != picture {
		limit = shape.MaxCaption
	}
	switch {
	case h.Typeflag == tar.TypeLink || h.Typeflag == tar.TypeSymlink:
		return "is a link; links are not followed"
	case h.Typeflag == tar.TypeGNUSparse || sparse(h):
		return "is a sparse file; write the shard without --sparse"
	case h.Typeflag != tar.TypeReg:
		return "is no regular file"
	case !filepath.IsLocal(h.Name):
		return "leads out of the archive"
	case h.Size == 0:
		return "is empty"
	case h.Size > limit:
		return fmt.Sprintf("has %d bytes, want at most %d", h.Size, limit)
	}
	return ""
}

func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// captionsOf reads the captions of a member, or says why there are none.
func captionsOf(data []byte, is int) (captions []string, reason string) {
	raw := []string{string(data)}
	if is == jsonText {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			return nil, "no JSON object: " + err.Error()
		}
		raw = nil
		for _, name := range shape.Captions {
			var one string
			switch value := fields[name]; {
			case value == nil || string(value) == "null":
				continue
			case json.Unmarshal(value, &one) == nil:
				raw = []string{one}
			case json.Unmarshal(value, &raw) != nil:
				return nil, fmt.Sprintf("%s must be a string or a list of them, not %.40s", name, value)
			}
			break
		}
	}
	for _, text := range raw {
		caption, why := shape.Clean(text)
		if why != "" {
			reason = why
			continue
		}
		captions = append(captions, caption)
	}
	if len(captions) == 0 && reason == "" {
		reason = "no field " + strings.Join(shape.Captions, ", ")
	}
	if len(captions) > 0 {
		reason = ""
	}
	return captions, reason
}

// counter knows where in the shard the reader of tars is, which does not tell, and reads ahead: headers and captions are short and lie together.
type counter struct {
	in    io.ReadSeeker
	ahead *bufio.Reader
	at    int64
}

func newCounter(in io.ReadSeeker) *counter {
	return &counter{in: in, ahead: bufio.NewReaderSize(in, 4096)}
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ahead.Read(p)
	c.at += int64(n)
	return n, err
}

// Seek goes ahead by offset bytes; the reader of tars asks for nothing else.
func (c *counter) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return 0, errors.ErrUnsupported
	}
	if offset <= int64(c.ahead.Buffered()) {
		n, err := c.ahead.Discard(int(offset))
		c.at += int64(n)
		return c.at, err
	}
	at, err := c.in.Seek(c.at+offset, io.SeekStart)
	if err == nil {
		c.at = at
		c.ahead.Reset(c.in)
	}
	return at, err
}

// memberAt names the member whose bytes begin at offset, by the header before them.
func memberAt(f shape.File, offset int64) string {
	in, err := f.Open()
	if err == nil {
		defer in.Close()
		if h, err := tar.NewReader(io.NewSectionReader(in, offset-512, 512)).Next(); err == nil && h.Name != "" {
			return h.Name
		}
	}
	return fmt.Sprintf("the member at byte %d", offset)
}
