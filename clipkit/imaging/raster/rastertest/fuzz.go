// Package rastertest is what every decoder of pictures passes.
package rastertest

import (
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/imaging/raster"
)

// Fuzz: whatever the bytes, no panic, and a picture has the size that its header says and bytes for every pixel. It begins with package imaging's files of
// the pattern. What is equal to Pillow and which damaged files are refused, the tests of package imaging say.
func Fuzz(f *testing.F, pattern string, decodeConfig func([]byte) (w, h int, err error), decode func([]byte) (*raster.Picture, error)) {
	for _, folder := range []string{"formats", "broken", "decode"} {
		files, err := filepath.Glob("../testdata/" + folder + "/" + pattern)
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
		w, h, err := decodeConfig(encoded)
		if err != nil || w < 1 || h < 1 || w > 1<<20 || h > 1<<20 || w*h > 1<<20 {
			return
		}
		p, err := decode(encoded)
		if err != nil {
			return
		}
		if p.Width != w || p.Height != h || len(p.Pix) != w*h*p.Mode.Bytes() {
			t.Fatalf("%s, %d × %d has %d bytes; the header says %d × %d", p.Mode, p.Width, p.Height, len(p.Pix), w, h)
		}
	})
}
