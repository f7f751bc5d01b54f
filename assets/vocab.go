package assets

import _ "embed"

// Vocab is the vocabulary file as published with Chinese BERT: 21128 lines ending in LF, UTF-8.
// Split it on LF only: two entries are Unicode line separators. Callers must not change it.
//
//go:embed vocab.txt
var Vocab []byte

// Notices names each third-party work in this package, its source, version, licence and authors, as plain text.
//
//go:embed NOTICES
var Notices string
