package download

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
)

const maxNote = 1 << 16 // bytes of the note beside a partial file

// partial is a file that has arrived in part, with what is needed to continue it. The exported fields are kept in a note beside it, as JSON.
type partial struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // the ETag with which the server sent the bytes, or the date if there was none
	SHA256    string `json:"sha256"`    // of the whole file, as the server stated it; "" if it did not
	Total     int64  `json:"total"`     // bytes of the whole file, -1 if the server did not say

	path string
	file *os.File
	size int64 // bytes so far
}

// openPartial opens what an earlier call left. Bytes of another address, or without a validator, cannot be continued: it starts anew then.
func openPartial(path, url string) (*partial, error) {
	f, err := regular.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	p := &partial{path: path, file: f}
	if readNote(path+".json", p) != nil || p.URL != url || p.Validator == "" {
		*p = partial{URL: url, path: path, file: f}
		return p, nil
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	p.size = info.Size()
	return p, nil
}

func readNote(path string, p *partial) error {
	f, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewDecoder(io.LimitReader(f, maxNote)).Decode(p)
}

// restart empties the file and notes what will be in it.
func (p *partial) restart(validator, sha256 string, total int64) error {
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	p.size, p.Validator, p.SHA256, p.Total = 0, validator, sha256, total
	note, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(p.path+".json", note)
}

// discard deletes what has arrived.
func (p *partial) discard() {
	p.file.Close()
	os.Remove(p.path)
	os.Remove(p.path + ".json")
}

// Close keeps the bytes for the next call; it may be called twice.
func (p *partial) Close() error {
	if err := p.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
