package imaging

import (
	"encoding/json"
	"testing"
)

// The decoder equals Pillow's, which is libjpeg-turbo, in every kind of file: sampling, scans, restarts, colour spaces, odd sizes.
func TestJPEGEqualsPillow(t *testing.T) {
	var pictures map[string]struct {
		Mode          Mode
		Width, Height int
		SHA256        string
	}
	if err := json.Unmarshal(readFile(t, "jpeg/pixels.json"), &pictures); err != nil {
		t.Fatal(err)
	}
	if len(pictures) < 60 {
		t.Errorf("only %d pictures", len(pictures))
	}
	var equal tally
	for name, want := range pictures {
		p, err := Decode(readFile(t, "jpeg/"+name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Mode != want.Mode || p.Width != want.Width || p.Height != want.Height {
			t.Errorf("%s: mode %s, %d × %d; Pillow gives %s, %d × %d", name, p.Mode, p.Width, p.Height, want.Mode, want.Width, want.Height)
		}
		equal.picture(t, name, p, want.SHA256)
	}
	equal.report(t, "image pixels: JPEG of every kind, against Pillow")
}
