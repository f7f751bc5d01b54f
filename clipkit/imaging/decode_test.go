package imaging

import (
	"errors"
	"path"
	"strings"
	"testing"
)

// fault 14
func TestDecodeEqualsPillow(t *testing.T) {
	var equal tally
	check := func(name string, mode Mode, g golden) {
		p := mustDecode(t, name)
		if p.Mode != mode || p.Height != g.Shape[0] || p.Width != g.Shape[1] {
			t.Errorf("%s: mode %s, %d × %d; Pillow gives %s, %v (height first)", name, p.Mode, p.Width, p.Height, mode, g.Shape)
			return
		}
		equal.bytes(t, name, p.Pix, g.data)
	}
	modes := fixtures(t)
	for name, g := range readGolden(t, "decoded_pixels.safetensors") {
		check(name, modes[name], g)
	}
	for key, g := range readGolden(t, "decode.safetensors") {
		mode, name, _ := strings.Cut(key, "/")
		name = path.Join("decode", name)
		if mode == "convert" { // a palette picture, converted
			equal.bytes(t, name+" as RGB", mustDecode(t, name).RGB().Pix, g.data)
			continue
		}
		check(name, Mode(mode), g)
	}
	equal.report(t, "image pixels: decoded, against Pillow")
}

func TestModes(t *testing.T) {
	for name, mode := range fixtures(t) {
		if p := mustDecode(t, name); p.Mode != mode {
			t.Errorf("%s: mode %s, Pillow gives %s", name, p.Mode, mode)
		}
	}
}

// fault 12, 13
func TestBrokenFiles(t *testing.T) {
	for name, want := range map[string]error{
		"truncated.jpg":                  ErrCorrupt,
		"no_end_marker.jpg":              ErrCorrupt,
		"twelve_bits.jpg":                ErrFormat,
		"arithmetic.jpg":                 ErrFormat,
		"lossless.jpg":                   ErrFormat,
		"small_but_giant.jpg":            ErrCorrupt,
		"two_frames.jpg":                 ErrCorrupt,
		"no_scan.jpg":                    ErrCorrupt,
		"many_scans.jpg":                 ErrCorrupt,
		"overfull_huffman_table.jpg":     ErrCorrupt,
		"no_quantisation_table.jpg":      ErrCorrupt,
		"bad_progression.jpg":            ErrCorrupt,
		"giant.png":                      ErrTooLarge,
		"long_side.png":                  ErrTooLarge,
		"zero_width.png":                 ErrCorrupt,
		"zero_height.jpg":                ErrCorrupt,
		"text.png":                       ErrFormat,
		"empty.jpg":                      ErrFormat,
		"no_frame.gif":                   ErrCorrupt,
		"truncated.gif":                  ErrCorrupt,
		"truncated.webp":                 ErrCorrupt,
		"canvas_mismatch.webp":           ErrCorrupt,
		"giant_canvas.webp":              ErrTooLarge,
		"animated.webp":                  ErrCorrupt,
		"frame_off_canvas.webp":          ErrCorrupt,
		"bad_adler.png":                  ErrCorrupt,
		"no_pixels.png":                  ErrCorrupt,
		"cut_pixels.png":                 ErrCorrupt,
		"bad_header_sum.png":             ErrCorrupt,
		"filter_9.png":                   ErrCorrupt,
		"giant_deflate.png":              ErrCorrupt,
		"bad_code.gif":                   ErrCorrupt,
		"empty_frame.gif":                ErrCorrupt,
		"bits_13.gif":                    ErrCorrupt,
		"giant.gif":                      ErrTooLarge,
		"giant.bmp":                      ErrTooLarge,
		"bits_2.bmp":                     ErrFormat,
		"short_runs.bmp":                 ErrCorrupt,
		"jpeg_inside.bmp":                ErrFormat,
		"odd_fields.bmp":                 ErrFormat,
		"short_header.bmp":               ErrCorrupt,
		"truncated.ppm":                  ErrCorrupt,
		"text_level.pgm":                 ErrCorrupt,
		"above_level.pgm":                ErrCorrupt,
		"no_level.pgm":                   ErrCorrupt,
		"giant.pgm":                      ErrTooLarge,
		"endless_number.ppm":             ErrCorrupt,
		"progressive_without_end.jpg":    ErrCorrupt,
		"progressive_without_tables.jpg": ErrCorrupt,
		"picture.avif":                   ErrFormat,
		"picture.heic":                   ErrFormat,
		"picture.svg":                    ErrFormat,
		"truncated.bmp":                  ErrCorrupt,
	} {
		p, err := Decode(readFile(t, path.Join("broken", name)))
		if !errors.Is(err, want) || p != nil {
			t.Errorf("%s: error %v, want one that wraps %q", name, err, want)
		}
	}
}

// What people have beside pictures is named as what it is, with what to do.
// fault 12
func TestForeignFormatsAreNamed(t *testing.T) {
	for name, want := range map[string]string{"picture.avif": "AVIF", "picture.heic": "HEIC", "picture.svg": "SVG"} {
		_, err := Decode(readFile(t, path.Join("broken", name)))
		if err == nil || !strings.Contains(err.Error(), "of "+want+":") || !strings.Contains(err.Error(), "convert it to JPEG or PNG") {
			t.Errorf("%s: error %v, want one that names %s and says what to do", name, err, want)
		}
	}
}

func TestEndings(t *testing.T) {
	for name, want := range map[string]bool{"a.JPG": true, "b/c.jfif": true, "d.jpe": true, "e.PpM": true, "jpg": false, "f.txt": false, "g.avif": false, "": false} {
		if got := HasEnding(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestDecodeConfig(t *testing.T) {
	formats := map[string]string{"jpg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "webp": "WebP"}
	for name := range fixtures(t) {
		p := mustDecode(t, name)
		c, err := DecodeConfig(readFile(t, name))
		if want := (Config{formats[path.Ext(name)[1:]], p.Width, p.Height}); err != nil || c != want {
			t.Errorf("%s: %+v, %v; want %+v", name, c, err, want)
		}
	}
	for name, want := range map[string]error{"giant.png": ErrTooLarge, "giant_canvas.webp": ErrTooLarge, "zero_height.jpg": ErrCorrupt,
		"zero_width.png": ErrCorrupt, "text.png": ErrFormat, "arithmetic.jpg": ErrFormat, "animated.webp": ErrCorrupt, "picture.avif": ErrFormat, "giant.gif": ErrTooLarge, "giant.pgm": ErrTooLarge, "bits_2.bmp": ErrFormat} {
		if c, err := DecodeConfig(readFile(t, path.Join("broken", name))); !errors.Is(err, want) || c != (Config{}) {
			t.Errorf("%s: %+v, error %v, want one that wraps %q", name, c, err, want)
		}
	}
}

func TestDecoderPanicBecomesError(t *testing.T) {
	err := withCodec([]byte("BM"), func(codec) error { panic("index out of range") })
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("error %v, want ErrCorrupt with the reason", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"bit1_50x70.png", "cmyk_131x97.jpg", "gif_frame0_70x50.gif", "jpeg_444_prog_90x160.jpg", "l16_40x44.png", "la_61x40.png",
		"p_transparent_64x77.png", "webp_lossless_80x66.webp", "decode/lossy_alpha.webp", "decode/jpeg_422.jpg", "../jpeg/testdata/9x7_420_progressive.jpg", "../jpeg/testdata/restart_progressive.jpg", "../jpeg/testdata/apart_restart.jpg", "../jpeg/testdata/ycck_420.jpg", "../jpeg/testdata/mixed.jpg", "broken/many_scans.jpg", "decode/palette8.bmp",
		"decode/rgba32.bmp", "decode/transparent.gif", "decode/palette4_short.png", "broken/giant.png", "broken/canvas_mismatch.webp"} {
		f.Add(readFile(f, name))
	}
	for name := range pillowReads(f) {
		f.Add(readFile(f, path.Join("formats", name)))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		header, headerErr := DecodeConfig(encoded)
		p, err := Decode(encoded)
		if headerErr != nil && (err == nil || err.Error() != headerErr.Error()) || err == nil && (header.Width != p.Width || header.Height != p.Height) {
			t.Fatalf("the header: %+v, %v; the picture: %v, %v", header, headerErr, p, err)
		}
		if err != nil {
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("an error without a sentinel: %v", err)
			}
			return
		}
		if len(p.Pix) != p.Width*p.Height*p.Mode.Bytes() || p.Mode == Palette && len(p.Palette) != 768 {
			t.Fatalf("%s %d × %d has %d bytes of pixels and %d of palette", p.Mode, p.Width, p.Height, len(p.Pix), len(p.Palette))
		}
		if p.Width*p.Height > 1<<20 {
			return // decoding large pictures is slow enough for a fuzzer
		}
		if n := len(Normalise(p.Resize(9, 7))); n != 3*9*7 {
			t.Fatalf("%d values", n)
		}
		if b := p.Image().Bounds(); b.Dx() != p.Width || b.Dy() != p.Height {
			t.Fatalf("Image gives %v", b)
		}
	})
}
