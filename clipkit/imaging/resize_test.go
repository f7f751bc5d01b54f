package imaging

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestResizeEqualsPillow(t *testing.T) {
	var equal tally
	for name := range fixtures(t) {
		base := name[:strings.LastIndex(name, ".")]
		m, err := png.Decode(bytes.NewReader(readFile(t, "resized224/"+base+".png")))
		if err != nil {
			t.Fatal(err)
		}
		want := FromImage(m).RGB().Pix
		p := mustDecode(t, name)
		equal.bytes(t, name, p.Resize(224, 224).RGB().Pix, want)
	}
	equal.report(t, "image pixels: resized to 224, against Pillow")
}

func TestTransformEqualsReference(t *testing.T) {
	var equal tally
	for file, tensor := range map[string]func(*Picture, int) []float32{
		"transform_32_f32.safetensors":               (*Picture).Tensor,
		"transform_64_f32_convert_first.safetensors": (*Picture).TensorConvertFirst,
	} {
		for key, g := range readGolden(t, file) {
			name, _, _ := strings.Cut(key, "@")
			got := tensor(mustDecode(t, name), g.Shape[1])
			equal.floats(t, file+" "+key, got, g.floats())
			if same, err := Transform(readFile(t, name), g.Shape[1]); err != nil || file == "transform_32_f32.safetensors" && !slices.Equal(same, got) {
				t.Errorf("Transform of %s is not its Tensor (%v)", name, err)
			}
		}
	}
	equal.report(t, "image tensors: the reference's transform")
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

// The two passes written out, at sizes around the widths of the vector loops, for pixels of 1 to 4 bytes.
func TestResampleWrittenOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		n, inW, inH, outW, outH := 1+rng.IntN(4), 1+rng.IntN(70), 1+rng.IntN(70), 1+rng.IntN(40), 1+rng.IntN(40)
		src := make([]byte, n*inW*inH)
		for i := range src {
			src[i] = byte(rng.IntN(2)*255 ^ rng.IntN(8)) // near the ends of the range, where the cubic overshoots
		}
		sum := func(x taps, i int, at func(j int) byte) byte {
			sum := int32(1 << (precision - 1))
			for j, w := range x.fixed()[i*x.size:][:x.count[i]] {
				sum += w * int32(at(int(x.first[i])+j))
			}
			return clip8(sum >> precision)
		}
		across, down := bicubicTaps(inW, outW), bicubicTaps(inH, outH)
		rows, columns := make([]byte, n*outW*inH), make([]byte, n*inW*outH)
		for i := range rows {
			c, x, y := i%n, i/n%outW, i/n/outW
			rows[i] = sum(across, x, func(j int) byte { return src[(y*inW+j)*n+c] })
		}
		for i := range columns {
			x, y := i%(n*inW), i/(n*inW)
			columns[i] = sum(down, y, func(j int) byte { return src[j*n*inW+x] })
		}
		if !bytes.Equal(resampleRows(src, inW, inH, n, outW), rows) || !bytes.Equal(resampleColumns(src, n*inW, inH, outH), columns) {
			t.Fatalf("%d × %d pixels of %d bytes to %d × %d: other levels than written out", inW, inH, n, outW, outH)
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
	var equal tally
	for name := range fixtures(t) {
		p := mustDecode(t, name)
		equal.bytes(t, name, FromImage(p.Image()).RGB().Pix, p.RGB().Pix)
	}
}

// Go's JPEG decoder leaves YCbCr; only its inverse DCT differs from ours.
func TestFromYCbCr(t *testing.T) {
	for _, name := range []string{"35x18_420", "35x18_422", "17x33_444", "440", "410"} {
		encoded := readFile(t, "../jpeg/testdata/"+name+".jpg")
		m, err := jpeg.Decode(bytes.NewReader(encoded))
		if err != nil {
			t.Fatal(err)
		}
		got, want := FromImage(m), mustDecode(t, "../jpeg/testdata/"+name+".jpg")
		sum := 0
		for i, v := range got.Pix {
			sum += max(int(v), int(want.Pix[i])) - min(int(v), int(want.Pix[i]))
		}
		if mean := float64(sum) / float64(len(got.Pix)); mean > 0.2 {
			t.Errorf("%s: differs by %.2f levels on average", name, mean)
		}
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
