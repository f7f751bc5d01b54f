package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Prepare does to a text what the reference's training, feature extraction and zero-shot classification do before they tokenize it
// (cn_clip/training/data.py:31-34, cn_clip/eval/data.py:24-26): lower case as Python's str.lower makes it, and “ ” become the straight quotes
// that the vocabulary has.
func Prepare(text string) string {
	first := strings.IndexFunc(text, func(r rune) bool {
		return lower(r) != r || r == dottedI || r == '“' || r == '”' || r == utf8.RuneError
	})
	if first < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 8)
	b.WriteString(text[:first])
	for i, r := range text[first:] {
		switch r {
		case '“', '”':
			b.WriteByte('"')
		case dottedI:
			b.WriteString("i\u0307")
		case sigma:
			if isFinalSigma(text, first+i, func(rune) bool { return false }) {
				b.WriteRune(finalSigma)
			} else {
				b.WriteRune(smallSigma)
			}
		default:
			b.WriteRune(lower(r))
		}
	}
	return b.String()
}
