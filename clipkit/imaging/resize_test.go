package imaging

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
)

func TestResizeEqualsPillow(t *testing.T) {
	decoded := readGolden(t, "decoded_pixels.safetensors")
	for name, mode := range fixtures(t) {
		base := name[:strings.LastIndex(name, ".")]
		m, err := png.Decode(bytes.NewReader(readFile(t, "resized224/"+base+".png")))
		if err != nil {
			t.Fatal(err)
		}
		want := FromImage(m).RGB().Pix
		p := mustDecode(t, name)
		if g, ok := decoded[name]; ok { // Pillow's own pixels, so that the decoder plays no part
			p = &Picture{Mode: mode, Width: p.Width, Height: p.Height, Pix: g.data, Palette: p.Palette}
		}
		equalBytes(t, name, p.Resize(224, 224).RGB().Pix, want)
	}
}

func TestTransformEqualsReference(t *testing.T) {
	for file, transform := range map[string]func([]byte, int) ([]float32, error){
		"transform_32_f32.safetensors":               Transform,
		"transform_64_f32_convert_first.safetensors": TransformConvertFirst,
	} {
		for key, g := range readGolden(t, file) {
			name, _, _ := strings.Cut(key, "@")
			got, err := transform(readFile(t, name), g.Shape[1])
			if err != nil {
				t.Fatal(err)
			}
			tolerance := 0.0
			if strings.HasSuffix(name, ".jpg") {
				tolerance = 2 / 255. / 0.26 // two levels, for the decoder
			}
			equalFloats(t, file+" "+key, got, g.floats(), tolerance)
		}
	}
}

func TestTransformSize(t *testing.T) {
	for _, size := range []int{-1, 0, 1 << 20} {
		if _, err := Transform(readFile(t, "la_61x40.png"), size); err == nil {
			t.Errorf("size %d: no error", size)
		}
	}
}

func TestResizeKeepsItsInput(t *testing.T) {
	for name := range fixtures(t) {
		p := mustDecode(t, name)
		before := bytes.Clone(p.Pix)
		p.Resize(p.Width, p.Height).Pix[0]++
		p.Resize(5, 5).RGB()
		p.flip()
		if !bytes.Equal(p.Pix, before) {
			t.Errorf("%s: Resize changed its input", name)
		}
	}
}

// A constant picture stays constant at any size: the rounded weights must not drift.
func TestResizeConstant(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 500}, {701, 2}, {64, 65}} {
		p := newPicture(RGB, 97, 41)
		for i := range p.Pix {
			p.Pix[i] = 200
		}
		for _, v := range p.Resize(size[0], size[1]).Pix {
			if v != 200 {
				t.Fatalf("%v: a level of %d, want 200", size, v)
			}
		}
	}
}

func TestImageRoundTrip(t *testing.T) {
	for name := range fixtures(t) {
		p := mustDecode(t, name)
		equalBytes(t, name, FromImage(p.Image()).RGB().Pix, p.RGB().Pix)
	}
}

func TestFromSubImage(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 6, 5))
	for i := range m.Pix {
		m.Pix[i] = byte(i)
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	p := FromImage(m.SubImage(image.Rect(2, 1, 5, 3)))
	if want := FromImage(m).crop(2, 1, 3, 2); !bytes.Equal(p.Pix, want.Pix) || p.Mode != RGB {
		t.Errorf("mode %s, pixels %v, want %v", p.Mode, p.Pix, want.Pix)
	}
}
