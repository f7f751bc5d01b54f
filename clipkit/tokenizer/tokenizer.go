// Package tokenizer turns Chinese (and any other) text into the token ids of Chinese-CLIP: BERT WordPiece over the 21128-entry
// Chinese vocabulary, identical to the reference on every code point of Unicode 14.
//
//	t := tokenizer.Default()
//	ids, cut, err := t.Tokenize([]string{"杰尼龟", "皮卡丘"}, tokenizer.DefaultLength) // ids: [2*52], row by row
//
// A row is [CLS], at most length-2 pieces, [SEP], then zeros ([PAD]); an empty text is [CLS] [SEP]. Long texts are cut, never
// refused: cut lists their indexes. Special tokens have no meaning in text: a typed "[CLS]" is four pieces.
//
// In the reference, training, evaluation and zero-shot classification pass captions through [Prepare] first, and its quick API does not
// (cn_clip/clip/utils.py:145-172). The ids differ only for texts with curly quotes: the vocabulary lacks them, and Prepare makes them straight.
//
// Any string is valid input: bytes that are not UTF-8 are dropped like U+FFFD. Work is linear in the length of the text.
// A Tokenizer is immutable and safe for concurrent use. The behaviour is that of the
// reference's cn_clip/clip/bert_tokenizer.py.
package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"clipnb/assets"
)

const (
	DefaultLength = 52  // tokens per row in all published models, [CLS] and [SEP] included
	MaxLength     = 512 // position embeddings of the text tower
)

// ErrLength reports a row length that the text tower cannot take.
var ErrLength = errors.New("tokenizer: bad row length")

// Tokenizer holds one vocabulary.
type Tokenizer struct {
	vocab
	unk, cls, sep int32 // ids of [UNK], [CLS], [SEP]
}

var defaultTokenizer = sync.OnceValue(func() *Tokenizer {
	t, err := New(bytes.NewReader(assets.Vocab))
	if err != nil {
		panic("embedded vocabulary: " + err.Error()) // a broken build, which TestDefault does not let pass
	}
	return t
})

// Default returns the tokenizer of the published models. It is built from the embedded vocabulary on first use.
func Default() *Tokenizer { return defaultTokenizer() }

// Tokenize encodes texts into ids, [len(texts)*length] row by row, and lists the indexes of the texts that had to be cut.
// length is 2 to MaxLength; anything else is ErrLength.
func (t *Tokenizer) Tokenize(texts []string, length int) (ids []int32, truncated []int, err error) {
	if length < 2 || length > MaxLength {
		return nil, nil, fmt.Errorf("%w: %d tokens, want 2 to %d; the published models use %d", ErrLength, length, MaxLength, DefaultLength)
	}
	ids = make([]int32, len(texts)*length)
	for i, text := range texts {
		if t.Encode(ids[i*length:(i+1)*length], text) > 0 {
			truncated = append(truncated, i)
		}
	}
	return ids, truncated, nil
}

// Encode fills one row: [CLS], the first len(dst)-2 pieces of text, [SEP], zeros. It returns the number of pieces that did not fit.
// A dst of fewer than two elements has no room for the marks; it is zeroed and every piece counts as cut.
func (t *Tokenizer) Encode(dst []int32, text string) (truncated int) {
	if len(dst) < 2 {
		clear(dst)
		var none row
		t.encode(text, &none)
		return none.n
	}
	out := row{ids: dst[1 : len(dst)-1]}
	t.encode(text, &out)
	kept := min(out.n, len(out.ids))
	dst[0] = t.cls
	dst[kept+1] = t.sep
	clear(dst[kept+2:])
	return out.n - kept
}

// Pieces returns the vocabulary entries that text is made of, without [CLS] and [SEP] and without a limit.
func (t *Tokenizer) Pieces(text string) []string {
	var count row
	t.encode(text, &count)
	out := row{ids: make([]int32, count.n)}
	t.encode(text, &out)
	pieces := make([]string, out.n)
	for i, id := range out.ids {
		pieces[i] = t.entries[id]
	}
	return pieces
}

// row collects piece ids. n counts all of them, also those past the end of ids.
type row struct {
	ids []int32
	n   int
}

func (r *row) add(id int32) {
	if r.n < len(r.ids) {
		r.ids[r.n] = id
	}
	r.n++
}
