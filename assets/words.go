package assets

import _ "embed"

// Words is a JSON object of 60 everyday words, each with the names of the emoji that are right answers to it (package clipkit/everyday).
// It was written down before any model was asked.
//
//go:embed generate/words.json
var Words []byte
