package assets

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"strings"
)

// Emoji opens the embedded picture–caption set, whose files the package comment describes.
func Emoji() (fs.FS, error) {
	packed, err := packedEmoji()
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(strings.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("opening the embedded emoji/emoji.zip, %d bytes: %w; rebuild the program from a clean checkout", len(packed), err)
	}
	return archive, nil
}
