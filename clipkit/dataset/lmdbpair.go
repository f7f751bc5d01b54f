package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"clipnb/clipkit/internal/pickle"
)

// parsePair reads a value of the pairs LMDB: Python's pickle of (image_id, text_id, text), in any protocol
// (cn_clip/preprocess/build_lmdb_dataset.py:67). The reader of pickles executes nothing.
func parsePair(data []byte) (Pair, error) {
	v, n, err := pickle.Reader{}.Read(data)
	if err != nil {
		return Pair{}, err
	}
	tuple, ok := v.(pickle.Tuple)
	if !ok || len(tuple) != 3 || n != len(data) {
		return Pair{}, fmt.Errorf("a %s of %d bytes, want one tuple (image_id, text_id, text)", pickle.Kind(v), n)
	}
	var p Pair
	for i, to := range []*int64{&p.ImageID, &p.TextID} {
		if *to, ok = tuple[i].(int64); !ok {
			return Pair{}, fmt.Errorf("%s is a %s, want an integer; evaluation compares numbers, so number the ids in the jsonl and tsv and build again",
				[]string{"image_id", "text_id"}[i], pickle.Kind(tuple[i]))
		}
	}
	if p.Text, ok = tuple[2].(string); !ok {
		return Pair{}, fmt.Errorf("text is a %s, want a string", pickle.Kind(tuple[2]))
	}
	return p, nil
}

// appendPair writes the bytes that Python 3.8 to 3.13 write: protocol 4, with its frame and memo marks.
func appendPair(b []byte, p Pair) ([]byte, error) {
	switch {
	case !utf8.ValidString(p.Text):
		return nil, errors.New("the caption is not UTF-8")
	case len(p.Text) > maxTextLine:
		return nil, fmt.Errorf("the caption has %d bytes, want at most %d", len(p.Text), maxTextLine)
	}
	b = append(b, 0x80, 4, 0x95)
	frame := len(b)
	b = append(b, make([]byte, 8)...)
	b = pickle.AppendInt(pickle.AppendInt(b, p.ImageID), p.TextID)
	if n := len(p.Text); n < 256 {
		b = append(b, 0x8c, byte(n))
	} else {
		b = binary.LittleEndian.AppendUint32(append(b, 'X'), uint32(n))
	}
	b = append(append(b, p.Text...), 0x94, 0x87, 0x94, '.')
	binary.LittleEndian.PutUint64(b[frame:], uint64(len(b)-frame-8))
	return b, nil
}
