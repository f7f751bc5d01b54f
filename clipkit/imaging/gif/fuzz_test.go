package gif

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode: whatever the bytes, no panic, and a picture has the size that its header says and bytes for every pixel. What is equal to Pillow and
// which damaged files are refused, the tests of package imaging say.
func FuzzDecode(f *testing.F) {
	for _, folder := range []string{"formats", "broken", "decode"} {
		files, err := filepath.Glob("../testdata/" + folder + "/*.gif")
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			encoded, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(encoded)
		}
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		w, h, err := DecodeConfig(encoded)
		if err != nil || w < 1 || h < 1 || w > 1<<20 || h > 1<<20 || w*h > 1<<20 {
			return
		}
		p, err := Decode(encoded)
		if err != nil {
			return
		}
		if p.Width != w || p.Height != h || len(p.Pix) != w*h*p.Mode.Bytes() {
			t.Fatalf("%s, %d × %d has %d bytes; the header says %d × %d", p.Mode, p.Width, p.Height, len(p.Pix), w, h)
		}
	})
}
