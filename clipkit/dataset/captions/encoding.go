package captions

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// begin passes over the byte order mark that Excel puts before UTF-8, and refuses UTF-16.
func (f *file) begin(text *bufio.Reader) error {
	start, err := text.Peek(64)
	if err != nil && err != io.EOF {
		return f.failed(1, err)
	}
	if problem := UTF16(f.Name, start); problem != "" {
		return f.bad(1, "%s", problem)
	}
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		_, err = text.Discard(3)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// UTF16 says of the first bytes of a file that they are UTF-16, and how to convert it; "" where they are not.
func UTF16(name string, start []byte) string {
	kind := ""
	switch zero := bytes.IndexByte(start, 0); {
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
	case zero < 0 || len(start) < 4:
		return ""
	default: // without a mark: of a header in Latin letters, every second byte is zero
		kind = []string{"BE", "LE"}[zero%2]
	}
	return "UTF-16; save the file as UTF-8: " + howTo(name, "UTF-16"+kind)
}

// NotUTF8 says what bytes are that are no UTF-8, and how to convert their file; "" for UTF-8.
func NotUTF8(name string, line []byte) string {
	if utf8.Valid(line) {
		return ""
	}
	const want = "not UTF-8; save the file as UTF-8"
	text, err := simplifiedchinese.GB18030.NewDecoder().String(string(line[:min(len(line), maxShown)]))
	if len(line) > maxShown { // which may have cut a character
		text = strings.TrimSuffix(text, string(utf8.RuneError))
	}
	if err != nil || strings.ContainsRune(text, utf8.RuneError) || !strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return want + " (in Excel: CSV UTF-8)"
	}
	return fmt.Sprintf("%s: it looks like GBK, in which this line is %.60q, %s", want, strings.TrimSpace(text), howTo(name, "GB18030"))
}

const maxShown = 240 // bytes of a line in another encoding

// howTo is how a file is converted to UTF-8, in Excel and without it.
func howTo(name, from string) string {
	base := filepath.Base(name)
	return fmt.Sprintf("in Excel choose CSV UTF-8, elsewhere: iconv -f %s -t UTF-8 %s > utf8.tmp && mv utf8.tmp %s", from, base, base)
}
