package imaging

import (
	"image"
	"image/color"
	"testing"
)

func TestThumbnail(t *testing.T) {
	for _, test := range []struct {
		w, h, wantW, wantH int
		alpha              uint8
		mediaType, format  string
	}{
		{300, 200, 64, 42, 255, "image/jpeg", "JPEG"},
		{200, 300, 42, 64, 100, "image/png", "PNG"},
		{30, 20, 30, 20, 255, "image/jpeg", "JPEG"},
		{5000, 2, 64, 1, 255, "image/jpeg", "JPEG"},
	} {
		m := image.NewNRGBA(image.Rect(0, 0, test.w, test.h))
		for i := range test.w * test.h {
			m.SetNRGBA(i%test.w, i/test.w, color.NRGBA{200, 10, 10, test.alpha})
		}
		mediaType, encoded, err := FromImage(m).Thumbnail(64)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		c, err := DecodeConfig(encoded)
		if want := (Config{test.format, test.wantW, test.wantH}); c != want || mediaType != test.mediaType || err != nil {
			t.Errorf("%d × %d becomes %+v as %s, want %+v as %s (%v)", test.w, test.h, c, mediaType, want, test.mediaType, err)
		}
		if red := p.RGB().Pix[0]; red < 190 || red > 210 {
			t.Errorf("the colour changed: red %d", red)
		}
	}
}
