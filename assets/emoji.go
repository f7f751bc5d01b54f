package assets

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed emoji/emoji.zip
var emojiZip string

// Emoji opens the embedded picture–caption set, whose files the package comment describes.
func Emoji() (fs.FS, error) {
	archive, err := zip.NewReader(strings.NewReader(emojiZip), int64(len(emojiZip)))
	if err != nil {
		return nil, fmt.Errorf("opening the embedded emoji/emoji.zip, %d bytes: %w; rebuild the program from a clean checkout", len(emojiZip), err)
	}
	return archive, nil
}
