package tokenizer

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord is the longest word, in code points after folding, that WordPiece looks into; longer ones are [UNK]
// (cn_clip/clip/bert_tokenizer.py:340 and 368).
const maxWord = 200

// word is the word being collected. n counts past maxWord so that an over-long word is recognised.
type word struct {
	runes [maxWord]rune
	n     int
}

func (w *word) add(r rune) {
	if w.n < maxWord {
		w.runes[w.n] = r
	}
	w.n++
}

// encode does in one pass what BasicTokenizer and WordpieceTokenizer do in several (cn_clip/clip/bert_tokenizer.py:233-255 and 345-396): clean,
// split on spaces, CJK characters and punctuation, fold, and look up each word.
func (t *Tokenizer) encode(text string, out *row) {
	var w word
	for i, r := range text {
		if r < utf8.RuneSelf {
			switch asciiClass[r] {
			case asciiSpace:
				t.flush(&w, out)
			case asciiPunct:
				t.flush(&w, out)
				w.add(r)
				t.flush(&w, out)
			case asciiUpper:
				w.add(r + 'a' - 'A')
			case asciiOther:
				w.add(r)
			}
			continue
		}
		switch {
		case isCJK(r):
			t.flush(&w, out)
			t.fold(&w, r, out)
			t.flush(&w, out)
		case isDropped(r):
		case isSpace(r):
			t.flush(&w, out)
		case r == sigma:
			// Folding is per word and case depends on neighbours; dropped characters are not neighbours.
			if isFinalSigma(text, i, isDropped) {
				w.add(finalSigma)
			} else {
				w.add(smallSigma)
			}
		default:
			t.fold(&w, r, out)
		}
	}
	t.flush(&w, out)
}

// fold adds r to the word in lower case, canonically decomposed and without combining marks; punctuation ends the word and is a
// word of its own. Canonical reordering is not needed: it moves only marks, which are dropped, and characters that the vocabulary
// lacks, which make the whole word [UNK] wherever they stand.
func (t *Tokenizer) fold(w *word, r rune, out *row) {
	if 0x3400 <= r && r <= 0x9FFF { // ideographs and hexagrams fold to themselves
		w.add(r)
		return
	}
	if isNewer(r) {
		w.add(r)
		return
	}
	r = unicode.ToLower(r)
	if s := r - hangulBase; 0 <= s && s < hangulCount {
		w.add(0x1100 + s/(21*28))
		w.add(0x1161 + s/28%21)
		if tail := s % 28; tail != 0 {
			w.add(0x11A7 + tail)
		}
		return
	}
	var buf [utf8.UTFMax]byte
	b := buf[:utf8.EncodeRune(buf[:], r)]
	if d := norm.NFD.Properties(b).Decomposition(); d != nil {
		b = d
	}
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		switch {
		case unicode.Is(unicode.Mn, r):
		case isPunct(r):
			t.flush(w, out)
			w.add(r)
			t.flush(w, out)
		default:
			w.add(r)
		}
	}
}

// flush ends the word: its pieces go to out, longest first from the left, or one [UNK] if some part of it is in no piece.
func (t *Tokenizer) flush(w *word, out *row) {
	if w.n == 0 {
		return
	}
	long := w.n > maxWord
	rest := w.runes[:min(w.n, maxWord)]
	w.n = 0
	if long {
		out.add(t.unk)
		return
	}
	start := out.n
	for root := wordRoot; len(rest) > 0; root = restRoot {
		id, size := t.longest(root, rest)
		if size == 0 {
			out.n = start
			out.add(t.unk)
			return
		}
		out.add(id)
		rest = rest[size:]
	}
}
