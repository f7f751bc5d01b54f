package chart

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

func encoded(t testing.TB, w, h int, c color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t *testing.T, uri string) (image.Image, string) {
	t.Helper()
	_, data, _ := strings.Cut(uri, ",")
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	img, kind, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img, kind
}

func TestThumbnail(t *testing.T) {
	for _, test := range []struct {
		w, h         int
		colour       color.Color
		wantW, wantH int
		kind         string
	}{
		{300, 200, color.NRGBA{200, 10, 10, 255}, 64, 42, "jpeg"},
		{200, 300, color.NRGBA{200, 10, 10, 100}, 42, 64, "png"},
		{30, 20, color.NRGBA{0, 0, 0, 255}, 30, 20, "jpeg"},
		{5000, 2, color.NRGBA{0, 0, 0, 255}, 64, 1, "jpeg"},
	} {
		uri, err := Picture{Encoded: encoded(t, test.w, test.h, test.colour)}.thumbnail(64)
		if err != nil {
			t.Fatal(err)
		}
		img, kind := decoded(t, uri)
		if size := img.Bounds().Size(); size.X != test.wantW || size.Y != test.wantH || kind != test.kind {
			t.Errorf("%d × %d becomes %v as %s, want %d × %d as %s", test.w, test.h, size, kind, test.wantW, test.wantH, test.kind)
		}
		if r, _, _, _ := img.At(0, 0).RGBA(); test.w == 300 && (r>>8 < 190 || r>>8 > 210) {
			t.Errorf("the colour changed: red %d", r>>8)
		}
	}
}

// A PNG of a few bytes that claims 60,000 × 60,000 pixels is not unpacked.
func TestThumbnailRefusesBombs(t *testing.T) {
	bomb := encoded(t, 1, 1, color.White)
	binary.BigEndian.PutUint32(bomb[16:], 60_000)
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	// The header's checksum is checked by the decoder, so it must fit.
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	if _, err := (Picture{Encoded: bomb}).thumbnail(64); err == nil || !strings.Contains(err.Error(), "60000 × 60000") {
		t.Errorf("error %v, want one about the size", err)
	}
}

func TestGridMakesLargePicturesSmall(t *testing.T) {
	noise := image.NewGray(image.Rect(0, 0, 600, 600))
	for i := range noise.Pix {
		noise.Pix[i] = byte(i * i >> 3)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, noise, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	large := Grid("", []Picture{{Encoded: b.Bytes()}}).HTML()
	if b.Len() < 2*embedWhole || len(large) > b.Len() {
		t.Errorf("a file of %d bytes makes a grid of %d", b.Len(), len(large))
	}
	small := readTestdata(t, "good.png")
	if html := Grid("", []Picture{{Encoded: small}}).HTML(); !strings.Contains(html, base64.StdEncoding.EncodeToString(small)) {
		t.Error("a small file is not embedded as it is")
	}
}

func FuzzThumbnail(f *testing.F) {
	f.Add(encoded(f, 3, 2, color.White))
	f.Add(encoded(f, 70, 90, color.NRGBA{1, 2, 3, 4}))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"))
	f.Add([]byte("BM\x00\x00"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8 "))
	f.Fuzz(func(t *testing.T, file []byte) {
		uri, err := Picture{Encoded: file}.thumbnail(16)
		if err != nil {
			return
		}
		if img, _ := decoded(t, uri); img.Bounds().Dx() > 16 || img.Bounds().Dy() > 16 {
			t.Errorf("a thumbnail of %v", img.Bounds())
		}
	})
}

// A bitmap whose pixels point beyond its palette once ended the program; a format that browsers do not show becomes a thumbnail, and what nothing
// shows leaves its reason in its place.
func TestGridOfOddPictures(t *testing.T) {
	bitmap := func(w, h int) []byte { // 8 bits a pixel, 2 colours, and every pixel is 200
		b := append([]byte("BM"), make([]byte, 52+8+w*h)...)
		binary.LittleEndian.PutUint32(b[10:], 62)
		binary.LittleEndian.PutUint32(b[14:], 40)
		binary.LittleEndian.PutUint32(b[18:], uint32(w))
		binary.LittleEndian.PutUint32(b[22:], uint32(h))
		binary.LittleEndian.PutUint16(b[28:], 8)
		binary.LittleEndian.PutUint32(b[46:], 2)
		for i := 62; i < len(b); i++ {
			b[i] = 200
		}
		return b
	}
	for name, test := range map[string]struct {
		encoded []byte
		want    string
	}{
		"small bitmap with bad indices": {bitmap(8, 8), `src="data:image/bmp;`},
		"large bitmap with bad indices": {bitmap(400, 300), `src="data:image/jpeg;`},
		"pgm":                           {[]byte("P5 2 2 255 abcd"), `src="data:image/jpeg;`},
		"broken ppm":                    {[]byte("P6 9 9 255 abcd"), "truncated"},
		"avif":                          {[]byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00avifmif1"), "AVIF"},
	} {
		if html := Grid("", []Picture{{Encoded: test.encoded, Caption: "x"}}).HTML(); !strings.Contains(html, test.want) {
			t.Errorf("%s: no %q in %.900s", name, test.want, html)
		}
		if uris, broken := thumbnails([]Picture{{Encoded: test.encoded}}, 16, 1); (broken == 0) != strings.HasPrefix(test.want, "src") || (broken == 0) != (uris != nil) {
			t.Errorf("%s: %d broken, %v", name, broken, uris)
		}
	}
}
