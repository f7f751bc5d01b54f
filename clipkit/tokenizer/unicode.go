package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// The reference's ids were made with Python 3.11, which has the tables of Unicode 14; Go's are newer. For the reference, characters that were
// added since are unassigned: it leaves them as they are, without case, decomposition or category. TestEveryCodePoint compares all of Unicode.

const (
	sigma       = 'Σ'
	smallSigma  = 'σ'
	finalSigma  = 'ς'
	dottedI     = 'İ'
	hangulBase  = 0xAC00
	hangulCount = 11172
)

// Classes of the ASCII characters.
const (
	asciiDropped = iota
	asciiSpace
	asciiPunct
	asciiUpper
	asciiOther
)

var asciiClass = func() (class [utf8.RuneSelf]uint8) {
	for r := range class {
		switch {
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			class[r] = asciiSpace
		case r < ' ' || r == 0x7F:
			class[r] = asciiDropped
		case 'A' <= r && r <= 'Z':
			class[r] = asciiUpper
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			class[r] = asciiOther
		default:
			class[r] = asciiPunct
		}
	}
	return class
}()

// isCJK reports whether r is a word of its own: the reference's list, which has ideographs but neither kana nor Hangul.
func isCJK(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF || 0x3400 <= r && r <= 0x4DBF || 0xF900 <= r && r <= 0xFAFF ||
		0x20000 <= r && r <= 0x2A6DF || 0x2A700 <= r && r <= 0x2CEAF || 0x2F800 <= r && r <= 0x2FA1F
}

// isDropped reports whether cleaning removes r: U+FFFD, and the categories Cc and Cf without tab and line ends.
func isDropped(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case utf8.RuneError:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf) && !isNewer(r)
}

// isSpace reports whether r, not ASCII, separates words: category Zs and the two separators that str.split adds.
func isSpace(r rune) bool {
	return unicode.Is(unicode.Zs, r) || r == 0x2028 || r == 0x2029
}

// isPunct reports whether r is a word of its own wherever it stands: category P and all ASCII symbols.
func isPunct(r rune) bool {
	if r < utf8.RuneSelf {
		return asciiClass[r] == asciiPunct
	}
	return unicode.Is(unicode.P, r) && !isNewer(r)
}

// lower is str.lower for characters that become one character whatever stands beside them; callers look for İ and Σ themselves.
func lower(r rune) rune {
	if isNewer(r) {
		return r
	}
	return unicode.ToLower(r)
}

// isFinalSigma reports whether the Σ at text[at:] ends a word and so becomes ς: a cased letter before it and none after, looking
// through case-ignorable characters and those that skip names (Unicode §3.13, Python's handle_capital_sigma).
func isFinalSigma(text string, at int, skip func(rune) bool) bool {
	before := false
	for i := at; i > 0; {
		r, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
		if !skip(r) && !isCaseIgnorable(r) {
			before = isCased(r)
			break
		}
	}
	if !before {
		return false
	}
	for _, r := range text[at+len(string(sigma)):] {
		if !skip(r) && !isCaseIgnorable(r) {
			return !isCased(r)
		}
	}
	return true
}

func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Uppercase, unicode.Other_Lowercase) && !isNewer(r)
}

func isCaseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', 0xB7, 0x387, 0x55F, 0x5F4, 0x2018, 0x2019, 0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A:
		return true // word-break classes MidLetter, MidNumLet and Single_Quote
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) && !isNewer(r)
}

func isNewer(r rune) bool { return r > 0x0800 && unicode.Is(since14, r) }

// since14 holds what Unicode 15 to 17 added to Unicode 14.
var since14 = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x088F, 0x088F, 1}, {0x0897, 0x0897, 1}, {0x0C5C, 0x0C5C, 1}, {0x0CDC, 0x0CDC, 1}, {0x0CF3, 0x0CF3, 1}, {0x0ECE, 0x0ECE, 1},
		{0x1ACF, 0x1ADD, 1}, {0x1AE0, 0x1AEB, 1}, {0x1B4E, 0x1B4F, 1}, {0x1B7F, 0x1B7F, 1}, {0x1C89, 0x1C8A, 1}, {0x20C1, 0x20C1, 1},
		{0x2427, 0x2429, 1}, {0x2B96, 0x2B96, 1}, {0x2FFC, 0x2FFF, 1}, {0x31E4, 0x31E5, 1}, {0x31EF, 0x31EF, 1}, {0xA7CB, 0xA7CF, 1},
		{0xA7D2, 0xA7D2, 1}, {0xA7D4, 0xA7D4, 1}, {0xA7DA, 0xA7DC, 1}, {0xA7F1, 0xA7F1, 1}, {0xFBC3, 0xFBD2, 1}, {0xFD90, 0xFD91, 1},
		{0xFDC8, 0xFDCE, 1},
	},
	R32: []unicode.Range32{
		{0x105C0, 0x105F3, 1}, {0x10940, 0x10959, 1}, {0x10D40, 0x10D65, 1}, {0x10D69, 0x10D85, 1}, {0x10D8E, 0x10D8F, 1},
		{0x10EC2, 0x10EC7, 1}, {0x10ED0, 0x10ED8, 1}, {0x10EFA, 0x10EFF, 1}, {0x1123F, 0x11241, 1}, {0x11380, 0x11389, 1},
		{0x1138B, 0x1138B, 1}, {0x1138E, 0x1138E, 1}, {0x11390, 0x113B5, 1}, {0x113B7, 0x113C0, 1}, {0x113C2, 0x113C2, 1},
		{0x113C5, 0x113C5, 1}, {0x113C7, 0x113CA, 1}, {0x113CC, 0x113D5, 1}, {0x113D7, 0x113D8, 1}, {0x113E1, 0x113E2, 1},
		{0x116D0, 0x116E3, 1}, {0x11B00, 0x11B09, 1}, {0x11B60, 0x11B67, 1}, {0x11BC0, 0x11BE1, 1}, {0x11BF0, 0x11BF9, 1},
		{0x11DB0, 0x11DDB, 1}, {0x11DE0, 0x11DE9, 1}, {0x11F00, 0x11F10, 1}, {0x11F12, 0x11F3A, 1}, {0x11F3E, 0x11F5A, 1},
		{0x1342F, 0x1342F, 1}, {0x13439, 0x13455, 1}, {0x13460, 0x143FA, 1}, {0x16100, 0x16139, 1}, {0x16D40, 0x16D79, 1},
		{0x16EA0, 0x16EB8, 1}, {0x16EBB, 0x16ED3, 1}, {0x16FF2, 0x16FF6, 1}, {0x187F8, 0x187FF, 1}, {0x18CFF, 0x18CFF, 1},
		{0x18D09, 0x18D1E, 1}, {0x18D80, 0x18DF2, 1}, {0x1B132, 0x1B132, 1}, {0x1B155, 0x1B155, 1}, {0x1CC00, 0x1CCFC, 1},
		{0x1CD00, 0x1CEB3, 1}, {0x1CEBA, 0x1CED0, 1}, {0x1CEE0, 0x1CEF0, 1}, {0x1D2C0, 0x1D2D3, 1}, {0x1DF25, 0x1DF2A, 1},
		{0x1E030, 0x1E06D, 1}, {0x1E08F, 0x1E08F, 1}, {0x1E4D0, 0x1E4F9, 1}, {0x1E5D0, 0x1E5FA, 1}, {0x1E5FF, 0x1E5FF, 1},
		{0x1E6C0, 0x1E6DE, 1}, {0x1E6E0, 0x1E6F5, 1}, {0x1E6FE, 0x1E6FF, 1}, {0x1F6D8, 0x1F6D8, 1}, {0x1F6DC, 0x1F6DC, 1},
		{0x1F774, 0x1F77F, 1}, {0x1F7D9, 0x1F7D9, 1}, {0x1F8B2, 0x1F8BB, 1}, {0x1F8C0, 0x1F8C1, 1}, {0x1F8D0, 0x1F8D8, 1},
		{0x1FA54, 0x1FA57, 1}, {0x1FA75, 0x1FA77, 1}, {0x1FA87, 0x1FA8A, 1}, {0x1FA8E, 0x1FA8F, 1}, {0x1FAAD, 0x1FAAF, 1},
		{0x1FABB, 0x1FABF, 1}, {0x1FAC6, 0x1FAC6, 1}, {0x1FAC8, 0x1FAC8, 1}, {0x1FACD, 0x1FACF, 1}, {0x1FADA, 0x1FADC, 1},
		{0x1FADF, 0x1FADF, 1}, {0x1FAE8, 0x1FAEA, 1}, {0x1FAEF, 0x1FAEF, 1}, {0x1FAF7, 0x1FAF8, 1}, {0x1FBCB, 0x1FBEF, 1},
		{0x1FBFA, 0x1FBFA, 1}, {0x2B739, 0x2B73F, 1}, {0x2CEA2, 0x2CEAD, 1}, {0x2EBF0, 0x2EE5D, 1}, {0x31350, 0x33479, 1},
	},
}
