// Package bracket ends what a cell has begun and not ended while somebody types in it: gopls explains nothing in a program that does not parse. It is compiled
// into the kernel (gonbchanges.go).
//
//	bracket.Close([]string{"%%", "fmt.Println(x, "}, skip)    // "%%", "fmt.Println(x, )"
package bracket

import (
	"go/scanner"
	"go/token"
	"slices"
	"strings"
)

var closing = map[token.Token]token.Token{token.LPAREN: token.RPAREN, token.LBRACK: token.RBRACK, token.LBRACE: token.RBRACE}

// Close gives lines with the brackets that are open at their end, closed on the last one that is Go; skip has the numbers of those that are not. Lines in
// which brackets do not match, or which end in a comment, come back as they are.
func Close(lines []string, skip map[int]struct{}) []string {
	goes := slices.Clone(lines)
	last := -1
	for i := range goes {
		if _, other := skip[i]; other {
			goes[i] = ""
		} else if strings.TrimSpace(goes[i]) != "" {
			last = i
		}
	}
	source := []byte(strings.Join(goes, "\n"))
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(source)), source, func(token.Position, string) {}, scanner.ScanComments)
	var open []token.Token
	var before token.Token
	for _, tok, _ := s.Scan(); tok != token.EOF; _, tok, _ = s.Scan() {
		if end, ok := closing[tok]; ok {
			open = append(open, end)
		} else if tok == token.RPAREN || tok == token.RBRACK || tok == token.RBRACE {
			if len(open) == 0 || open[len(open)-1] != tok {
				return lines
			}
			open = open[:len(open)-1]
		}
		if tok != token.SEMICOLON {
			before = tok
		}
	}
	if len(open) == 0 || before == token.COMMENT {
		return lines
	}
	whole := slices.Clone(lines)
	for _, end := range slices.Backward(open) {
		whole[last] += end.String()
	}
	return whole
}
