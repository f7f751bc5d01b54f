// Package pyjson writes values as Python's json.dumps writes them, so that files which the reference's tools made come back byte for byte.
package pyjson

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Float is Python's repr of a number of less than a million: 0.0, 1.0, 2e-06, 0.13882.
func Float(x float64) string {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// String is Python's json.dumps of a string: everything beyond printable ASCII as \u escapes.
func String(s string) string {
	var quoted, out strings.Builder
	plain := json.NewEncoder(&quoted)
	plain.SetEscapeHTML(false)
	_ = plain.Encode(s) // a string and a Builder cannot fail
	for _, r := range strings.TrimSuffix(quoted.String(), "\n") {
		if r <= '~' {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}

// Ints is a list of integers: [1, 2, 3].
func Ints(values []int64) string {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return string(append(b, ']'))
}
