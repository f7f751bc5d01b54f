package chart

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"testing"
)

func TestPNG(t *testing.T) {
	for _, dark := range []bool{false, true} {
		b, err := PNG(t.Context(), "表情", 600, dark, Table([]string{"a"}, [][]string{{"1"}}))
		if errors.Is(err, ErrNoBrowser) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if size := img.Bounds().Size(); size.X != 1200 || size.Y < 100 || size.Y > 600 {
			t.Errorf("a title and a table of two rows are %v pixels", size)
		}
		if red, _, _, _ := img.At(2, 2).RGBA(); (red < 0x8000) != dark {
			t.Errorf("dark %v: the background's red is %#x", dark, red)
		}
	}
}

func TestPNGWithoutBrowser(t *testing.T) {
	t.Setenv("CLIPKIT_CHROMIUM", "no-such-browser")
	_, err := PNG(t.Context(), "t", 600, false, Table(nil, nil))
	if !errors.Is(err, ErrNoBrowser) || !strings.Contains(err.Error(), "no-such-browser") || !strings.Contains(err.Error(), "install chromium") {
		t.Errorf("error %v, want ErrNoBrowser with what to do", err)
	}
	if _, err := PNG(t.Context(), "t", 20_000, false); err == nil || !strings.Contains(err.Error(), "expected 200 to 2000") {
		t.Errorf("error %v, want one about the width", err)
	}
}

func TestTrim(t *testing.T) {
	page := image.NewRGBA(image.Rect(0, 0, 10, 500))
	draw.Draw(page, page.Bounds(), image.White, image.Point{}, draw.Src)
	page.Set(5, 99, color.Black)
	var b bytes.Buffer
	if err := png.Encode(&b, page); err != nil {
		t.Fatal(err)
	}
	got, err := trim(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if config, err := png.DecodeConfig(bytes.NewReader(got)); err != nil || config.Height != 100+16*density {
		t.Errorf("height %d, error %v; want the last mark's row and a margin", config.Height, err)
	}
	if _, err := trim([]byte("no picture")); err == nil {
		t.Error("what is no picture was trimmed")
	}
}
