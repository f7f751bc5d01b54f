package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
)

// ErrFormat is wrapped for a folder whose files are damaged or are not an index.
var ErrFormat = errors.New("index: bad format")

const (
	format     = "clipkit index 1"
	maxLog     = 1 << 30 // bytes
	recordRows = 1024    // in one line of the log
	sumWidth   = 8       // hexadecimal digits
)

// header is the first line of a log.
type header struct {
	Format  string `json:"format"`
	Model   string `json:"model"`
	Dim     int    `json:"dim"`
	Vectors string `json:"vectors"` // file beside the log, in which row r stands at r × dim × 4
}

// record is every further line: rows that were added behind those before them, or IDs that were deleted.
type record struct {
	IDs    []int64             `json:"ids,omitempty"`
	Sum    uint32              `json:"crc32c,omitempty"` // of the rows' bytes
	Sets   []map[string]string `json:"sets,omitempty"`   // the different sets of tags
	Set    []int               `json:"set,omitempty"`    // which of them each ID has; none where nothing has tags
	Delete []int64             `json:"delete,omitempty"`
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	vectorName = regexp.MustCompile(`^vectors-[0-9]{1,9}\.f32$`)
)

// line is v's JSON behind its checksum.
func line(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and strings always have a form
	}
	return summed(body)
}

func summed(body []byte) []byte {
	return fmt.Appendf(nil, "%0*x %s\n", sumWidth, crc32.Checksum(body, castagnoli), body)
}

// body checks a line without its end.
func body(line []byte) ([]byte, bool) {
	if len(line) < sumWidth+2 || line[sumWidth] != ' ' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(line[:sumWidth]), 16, 32)
	return line[sumWidth+1:], err == nil && uint32(sum) == crc32.Checksum(line[sumWidth+1:], castagnoli)
}

// width is what the line of a body takes in the log.
func width(body []byte) int64 { return int64(sumWidth + 1 + len(body) + 1) }

// whole gives the bodies of the lines of a log. What follows the last good line is the write that a crash cut off, and is left out; bad bytes
// before a good line are damage.
func whole(log []byte) (bodies [][]byte, err error) {
	bad := -1
	for at := 0; ; {
		end := bytes.IndexByte(log[at:], '\n')
		if end < 0 {
			return bodies, nil
		}
		b, ok := body(log[at : at+end])
		switch {
		case ok && bad >= 0:
			return nil, fmt.Errorf("%w: %s is damaged %d bytes on, and good lines follow; build the index again", ErrFormat, logName, bad)
		case ok:
			bodies = append(bodies, b)
		case bad < 0:
			bad = at
		}
		at += end + 1
	}
}

func parseHeader(b []byte) (h header, err error) {
	if err := strict(b, &h); err != nil {
		return h, fmt.Errorf("%w: the header: %w", ErrFormat, err)
	}
	if h.Format != format {
		return h, fmt.Errorf("%w: the header says %.40q, this version reads %q", ErrFormat, h.Format, format)
	}
	if !vectorName.MatchString(h.Vectors) {
		return h, fmt.Errorf("%w: the header names the vectors' file %.40q", ErrFormat, h.Vectors)
	}
	if err := CheckModel(h.Model, h.Dim); err != nil {
		return h, fmt.Errorf("%w: the header: %w", ErrFormat, err)
	}
	return h, nil
}

func parseRecord(b []byte) (r record, err error) {
	if err := strict(b, &r); err != nil {
		return r, fmt.Errorf("%w: a record: %w", ErrFormat, err)
	}
	if len(r.Set) != 0 && len(r.Set) != len(r.IDs) {
		return r, fmt.Errorf("%w: a record has %d IDs and tags for %d", ErrFormat, len(r.IDs), len(r.Set))
	}
	for _, s := range r.Set {
		if s < 0 || s >= len(r.Sets) {
			return r, fmt.Errorf("%w: a record names set of tags %d of %d", ErrFormat, s, len(r.Sets))
		}
	}
	return r, nil
}

func strict(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(to)
}
