package chart

import (
	"fmt"

	"clipnb/clipkit/imaging"
)

// thumbnail makes a picture small, at most side × side pixels: a data: URI of a JPEG, or of a PNG where something shines through.
func (p Picture) thumbnail(side int) (string, error) {
	if _, err := p.kind(); err != nil {
		return "", err
	}
	whole, err := imaging.Decode(p.Encoded)
	if err != nil {
		return "", err
	}
	kind, small, err := whole.Thumbnail(side)
	if err != nil {
		return "", err
	}
	return dataURI(kind, small), nil
}

// thumbnails makes at most most of them, and counts the pictures that could not be read. A picture with no bytes has none.
func thumbnails(pictures []Picture, side, most int) (uris []string, broken int) {
	uris = make([]string, min(len(pictures), most))
	some := false
	for i := range uris {
		if len(pictures[i].Encoded) == 0 {
			continue
		}
		uri, err := pictures[i].thumbnail(side)
		if err != nil {
			broken++
		}
		uris[i] = uri
		some = some || uri != ""
	}
	if !some {
		uris = nil
	}
	return uris, broken
}

func brokenNote(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("无法读取的图片 · pictures that cannot be read: %d", n)}
}
