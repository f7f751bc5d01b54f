package chart

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif" // formats that thumbnails are made of
	"image/jpeg"
	"image/png"

	_ "golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// maxPixels bounds what a picture may unpack to.
const maxPixels = 64 << 20

// thumbnail makes a picture small, at most side × side pixels: a data: URI of a JPEG, or of a PNG where something shines through.
func (p Picture) thumbnail(side int) (string, error) {
	if _, err := p.kind(); err != nil {
		return "", err
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(p.Encoded))
	if err != nil {
		return "", fmt.Errorf("reading a picture's size: %w", err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return "", fmt.Errorf("picture of %d × %d pixels, at most %d in all; make it smaller first", config.Width, config.Height, maxPixels)
	}
	whole, _, err := image.Decode(bytes.NewReader(p.Encoded))
	if err != nil {
		return "", fmt.Errorf("decoding a picture: %w", err)
	}
	longer := max(config.Width, config.Height)
	w, h := max(1, config.Width*side/longer), max(1, config.Height*side/longer)
	if longer <= side {
		w, h = config.Width, config.Height
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	// Strong reductions lose nothing that is visible at this size, and CatmullRom takes every pixel into account.
	draw.CatmullRom.Scale(small, small.Bounds(), whole, whole.Bounds(), draw.Src, nil)
	var b bytes.Buffer
	if !small.Opaque() {
		if err := png.Encode(&b, small); err != nil {
			return "", fmt.Errorf("writing a thumbnail: %w", err)
		}
		return dataURI("image/png", b.Bytes()), nil
	}
	if err := jpeg.Encode(&b, small, &jpeg.Options{Quality: 80}); err != nil {
		return "", fmt.Errorf("writing a thumbnail: %w", err)
	}
	return dataURI("image/jpeg", b.Bytes()), nil
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
