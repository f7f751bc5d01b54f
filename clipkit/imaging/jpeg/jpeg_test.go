package jpeg

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	parity "clipnb/clipkit/internal/golden"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The decoder equals Pillow's, which is libjpeg-turbo, in every kind of file: sampling, scans, restarts, colour spaces, odd sizes.
// fault 13, 14
func TestEqualsPillow(t *testing.T) {
	var pictures map[string]struct {
		Mode          string
		Width, Height int
		SHA256        string
	}
	if err := json.Unmarshal(readFile(t, "testdata/pixels.json"), &pictures); err != nil {
		t.Fatal(err)
	}
	if len(pictures) < 60 {
		t.Errorf("only %d pictures", len(pictures))
	}
	values, wrong := 0, 0
	for name, want := range pictures {
		encoded := readFile(t, filepath.Join("testdata", name))
		p, err := Decode(encoded)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if mode := map[int]string{1: "L", 3: "RGB", 4: "CMYK"}[p.Channels]; mode != want.Mode || p.Width != want.Width || p.Height != want.Height {
			t.Errorf("%s: mode %s, %d × %d; Pillow gives %s, %d × %d", name, mode, p.Width, p.Height, want.Mode, want.Width, want.Height)
		}
		if w, h, err := DecodeConfig(encoded); w != p.Width || h != p.Height || err != nil {
			t.Errorf("%s: the header says %d × %d, %v", name, w, h, err)
		}
		values += len(p.Pix)
		if sum := sha256.Sum256(p.Pix); hex.EncodeToString(sum[:]) != want.SHA256 {
			t.Errorf("%s: other pixels than the reference's", name)
			wrong += len(p.Pix)
		}
	}
	parity.Parity(t, "image pixels: JPEG of every kind, against Pillow", values, float64(wrong), float64(wrong)/float64(max(values, 1)), 0)
}

// Which of the broken files are sound ones of another kind, and which are damaged.
func TestBrokenFiles(t *testing.T) {
	files, err := filepath.Glob("../testdata/broken/*.jpg")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	unsupported := map[string]bool{"twelve_bits.jpg": true, "arithmetic.jpg": true, "lossless.jpg": true}
	for _, path := range files {
		name := filepath.Base(path)
		if name == "zero_height.jpg" {
			if _, h, err := DecodeConfig(readFile(t, path)); h != 0 || err != nil {
				t.Errorf("%s: height %d, %v; the size is for the caller to judge", name, h, err)
			}
			continue
		}
		if p, err := Decode(readFile(t, path)); err == nil || p != nil || errors.Is(err, ErrUnsupported) != unsupported[name] {
			t.Errorf("%s: error %v; unsupported should be %v", name, err, unsupported[name])
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/*.jpg", "../testdata/broken/*.jpg"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files %s (error %v)", pattern, err)
		}
		for _, name := range files {
			f.Add(readFile(f, name))
		}
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		w, h, err := DecodeConfig(encoded)
		if err != nil || w < 1 || h < 1 || w*h > 1<<20 {
			return
		}
		p, err := Decode(encoded)
		if err == nil && (p.Width != w || p.Height != h || len(p.Pix) != w*h*p.Channels) {
			t.Fatalf("%d × %d of %d channels has %d bytes; the header says %d × %d", p.Width, p.Height, p.Channels, len(p.Pix), w, h)
		}
	})
}
