package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
)

// Thumbnail makes a picture fit into side × side pixels and encodes it: as JPEG, or as PNG where the picture has an alpha channel. A picture
// that fits is not enlarged.
func (p *Picture) Thumbnail(side int) (mediaType string, encoded []byte, err error) {
	if p.Mode != RGBA && p.Mode != GreyAlpha {
		p = p.RGB()
	}
	if longer := max(p.Width, p.Height); longer > side {
		p = p.Resize(max(1, p.Width*side/longer), max(1, p.Height*side/longer))
	}
	var b bytes.Buffer
	if p.Mode == RGB {
		mediaType, err = "image/jpeg", jpeg.Encode(&b, p.opaque(), &jpeg.Options{Quality: 85})
	} else {
		mediaType, err = "image/png", png.Encode(&b, p.Image())
	}
	if err != nil {
		return "", nil, fmt.Errorf("imaging: writing a thumbnail of %d × %d pixels: %w", p.Width, p.Height, err)
	}
	return mediaType, b.Bytes(), nil
}

// opaque is an RGB picture in the form that image/jpeg is quick with.
func (p *Picture) opaque() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	for i := range p.Width * p.Height {
		copy(m.Pix[4*i:], p.Pix[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	return m
}
