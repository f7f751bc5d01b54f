package tokenizer

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits on a vocabulary from outside.
const (
	maxVocabBytes = 16 << 20
	maxEntryRunes = maxWord
)

// ErrVocab reports a vocabulary that cannot be used.
var ErrVocab = errors.New("tokenizer: not a usable vocabulary")

// vocab is a prefix tree over code points, so that the longest piece is found in one walk.
type vocab struct {
	entries []string         // by id, as in the file
	next    map[uint64]int32 // node<<32 | code point → node
	ids     []int32          // by node: id of the piece that ends here, or -1
}

// The two roots of the tree: pieces that start a word, and those written with ## that continue one.
const (
	wordRoot int32 = iota
	restRoot
)

// New reads a BERT vocabulary: UTF-8, one entry a line, the line number from 0 is the id. It must hold [PAD] as id 0 (rows are
// padded with zeros, and the text tower masks zeros) and [UNK], [CLS], [SEP]. At most 16 MiB and 200 code points an entry.
// Lines end at LF only: one entry of the Chinese vocabulary is U+2028, which other line readers take for a line end.
func New(r io.Reader) (*Tokenizer, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxVocabBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading vocabulary: %w", err)
	}
	if len(data) > maxVocabBytes {
		return nil, fmt.Errorf("%w: more than %d MiB", ErrVocab, maxVocabBytes>>20)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	t := &Tokenizer{vocab: vocab{entries: lines, next: make(map[uint64]int32, 2*len(lines)), ids: []int32{-1, -1}}}
	special := map[string]*int32{"[PAD]": new(int32), "[UNK]": &t.unk, "[CLS]": &t.cls, "[SEP]": &t.sep}
	for i, line := range lines {
		entry := strings.TrimSuffix(line, "\r")
		lines[i] = entry
		if err := t.insert(entry, int32(i)); err != nil {
			return nil, fmt.Errorf("%w: line %d: %v", ErrVocab, i+1, err)
		}
		if id, ok := special[entry]; ok {
			*id = int32(i)
			delete(special, entry)
		}
	}
	for _, name := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]"} {
		if _, missing := special[name]; missing {
			return nil, fmt.Errorf("%w: %d lines, none is %s; want the vocab.txt of a Chinese BERT model", ErrVocab, len(lines), name)
		}
	}
	if lines[0] != "[PAD]" {
		return nil, fmt.Errorf("%w: line 1 is %q, want [PAD]", ErrVocab, lines[0])
	}
	return t, nil
}

func (v *vocab) insert(entry string, id int32) error {
	if !utf8.ValidString(entry) {
		return errors.New("not UTF-8")
	}
	if entry == "" {
		return errors.New("empty entry")
	}
	if utf8.RuneCountInString(entry) > maxEntryRunes {
		return fmt.Errorf("entry longer than %d code points", maxEntryRunes)
	}
	node := wordRoot
	if rest, ok := strings.CutPrefix(entry, "##"); ok && rest != "" {
		node, entry = restRoot, rest
	}
	for _, r := range entry {
		edge := uint64(node)<<32 | uint64(r)
		child, ok := v.next[edge]
		if !ok {
			child = int32(len(v.ids))
			v.ids = append(v.ids, -1)
			v.next[edge] = child
		}
		node = child
	}
	if first := v.ids[node]; first >= 0 {
		return fmt.Errorf("%q is already on line %d", v.entries[id], first+1)
	}
	v.ids[node] = id
	return nil
}

// longest returns the longest piece that starts s and its length in code points, 0 if there is none.
func (v *vocab) longest(root int32, s []rune) (id int32, size int) {
	node := root
	for i, r := range s {
		child, ok := v.next[uint64(node)<<32|uint64(r)]
		if !ok {
			break
		}
		node = child
		if v.ids[node] >= 0 {
			id, size = v.ids[node], i+1
		}
	}
	return id, size
}
