package check

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
)

// spoiled is a folder of eight good pictures with captions, and bad ones among them: TIFF and AVIF that are called .jpg (the cases csv-tiff-as-jpg and
// csv-avif-as-jpg), a saved web page, one that is too large, and one that is gone after the folder was opened.
func spoiled(t *testing.T) *dataset.Dataset {
	t.Helper()
	dir := t.TempDir()
	broken := func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "..", "imaging", "testdata", "broken", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	files := map[string]string{"tiff.jpg": "II*\x00\x08\x00\x00\x00\x00\x00", "avif.jpg": broken("picture.avif"), "page.jpg": "<html>404</html>", "huge.png": broken("giant.png"), "gone.jpg": "x", "film.mp4": "", "b.MP4": ""}
	for id, picture := range datasettest.Pictures(8) {
		files[string(rune('a'+id))+".png"] = picture
	}
	lines := "image,caption,split\n"
	for name, bytes := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(bytes), 0o644); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(strings.ToLower(name), ".mp4") {
			lines += name + ",一张" + name + ",valid\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "captions.csv"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := os.Remove(filepath.Join(dir, "gone.jpg")); err != nil {
		t.Fatal(err)
	}
	return d
}

var spoiledPaths = []string{"tiff.jpg", "avif.jpg", "page.jpg", "huge.png", "gone.jpg"}

// What imaging does not read by its header is found before a long job, by its path.
func TestHeaders(t *testing.T) {
	d := spoiled(t)
	skip := &dataset.Skipped{Budget: len(spoiledPaths)}
	done := 0
	if err := Headers(context.Background(), d.Valid, skip, func(n, total int) { done = n }); err != nil || done != 13 {
		t.Fatalf("%d of 13 pictures: %v", done, err)
	}
	met := map[string]string{}
	for _, p := range skip.Pictures {
		met[p.Path] = p.Reason
	}
	for _, path := range spoiledPaths {
		if met[path] == "" {
			t.Errorf("%s was not met: %v", path, met)
		}
	}
	if skip.Count() != len(spoiledPaths) || !strings.Contains(met["avif.jpg"], "AVIF") {
		t.Errorf("%v", met)
	}
	skip = &dataset.Skipped{Budget: 4}
	if err := Headers(context.Background(), d.Valid, skip, nil); err == nil || !strings.Contains(err.Error(), "budget of 4") {
		t.Errorf("a fifth bad picture: %v", err)
	}
}

// check names files by their paths without -decode, says what they are, and counts what has another ending.
func TestPicturesByTheirHeaders(t *testing.T) {
	report, err := Dataset(context.Background(), spoiled(t), Options{BatchSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	text := report.String()
	for name, want := range map[string][]string{
		"broken":          spoiledPaths,
		"csv-tiff-as-jpg": {"tiff.jpg: ", "TIFF"},
		"csv-avif-as-jpg": {"avif.jpg: ", "AVIF"},
		"csv-one-jfif":    {"no picture's: 2 .mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, part := range want {
				if !strings.Contains(text, part) {
					t.Errorf("%s is not in\n%s", part, text)
				}
			}
		})
	}
	if strings.Contains(text, "image ") {
		t.Errorf("a picture is named by its number:\n%s", text)
	}
}
