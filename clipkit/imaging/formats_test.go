package imaging

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"testing"
)

// pillowReads are the rarer kinds of files that Pillow reads, with its pixels (testdata/make_formats.py).
func pillowReads(t testing.TB) map[string]struct {
	Mode          Mode
	Width, Height int
	Pixels, RGB   string // SHA-256
} {
	t.Helper()
	var pictures map[string]struct {
		Mode          Mode
		Width, Height int
		Pixels, RGB   string
	}
	if err := json.Unmarshal(readFile(t, "formats/pixels.json"), &pictures); err != nil {
		t.Fatal(err)
	}
	if len(pictures) < 120 {
		t.Errorf("only %d pictures", len(pictures))
	}
	return pictures
}

// fault 14
func TestFormatsEqualPillow(t *testing.T) {
	var equal tally
	for name, want := range pillowReads(t) {
		encoded := readFile(t, path.Join("formats", name))
		p, err := Decode(encoded)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Mode != want.Mode || p.Width != want.Width || p.Height != want.Height {
			t.Errorf("%s: mode %s, %d × %d; Pillow gives %s, %d × %d", name, p.Mode, p.Width, p.Height, want.Mode, want.Width, want.Height)
		}
		if c, err := DecodeConfig(encoded); err != nil || c.Width != p.Width || c.Height != p.Height {
			t.Errorf("%s: the header says %+v, %v", name, c, err)
		}
		equal.picture(t, name, p, want.Pixels)
		equal.picture(t, name+" as RGB", p.RGB(), want.RGB)
	}
	equal.report(t, "image pixels: rare and unfinished files, against Pillow")
}

// Levels of more than 8 bits are resized in float64 and cut off behind it.
func TestResizeOfNumbers(t *testing.T) {
	for name, want := range map[string]string{
		"grey16.pgm":  "d947c1b8bb4d95b0f6149018f5ecb653759401f81fd3bb258decf1d17ec6d217",
		"grey12.pgm":  "0ad13b169878e11e79758684c229602c46f52dc3c0117b8748e6ad9fd397365c",
		"plain16.pgm": "bf802d6b78c3c8321eab67682d3f40d188f61d466e22719900dbdafa7cc015a6",
		"grey.pfm":    "edcba534f30bf4cfe63c88eb981f273f9a2723ee294d5853a549195fdf7ac9a3",
	} {
		p := mustDecode(t, path.Join("formats", name)).Resize(9, 7)
		if sum := sha256.Sum256(p.Pix); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s (mode %s): other levels than Pillow's when resized to 9 × 7: %x", name, p.Mode, sum)
		}
	}
}
