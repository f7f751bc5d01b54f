package clipkit_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// goodAndBad is a folder with six good pictures and one each that is cut off, a saved web page, AVIF under another name, too large, and soon missing.
func goodAndBad(t *testing.T) (dir string, bad []string) {
	dir = t.TempDir()
	data := clipkit.Must(clipkit.OpenDataset(t.Context(), "emoji"))
	defer data.Close()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range data.Valid.ImageIDs()[:6] {
		picture := clipkit.Must(data.Valid.Image(id))
		if _, err := imaging.Decode(picture); err != nil {
			t.Fatal(err)
		}
		write(string(rune('a'+i))+".png", picture)
	}
	for name, of := range map[string]string{"cut.jpg": "truncated.jpg", "heif.jpg": "picture.avif", "huge.png": "giant.png", "gone.jpg": "truncated.jpg"} {
		write(name, clipkit.Must(os.ReadFile(filepath.Join("imaging", "testdata", "broken", of))))
		bad = append(bad, name)
	}
	write("page.jpg", []byte("<html><body>not found</body></html>"))
	return dir, append(bad, "page.jpg")
}

// The case explore-one-bad: bad pictures do not end the making of an index, with or without a place to keep it, and the others are found.
func TestIndexOfAFolderWithBadPictures(t *testing.T) {
	dir, bad := goodAndBad(t)
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	m := clipkit.Must(clipkit.Load(t.Context(), "emoji"))
	defer m.Close()
	pictures := clipkit.Must(dataset.OpenPictures(dir))
	defer pictures.Close()
	if err := os.Remove(filepath.Join(dir, "gone.jpg")); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]clipkit.Option{"in memory": nil, "kept": {clipkit.Keep("bad-pictures")}} {
		ix, err := clipkit.BuildIndex(t.Context(), m, pictures, options...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		hits, err := ix.SearchText(t.Context(), "猫", 20)
		if err != nil || len(hits) != 6 {
			t.Errorf("%s: %d hits, want the 6 good pictures: %v", name, len(hits), err)
		}
		for _, h := range hits {
			if slices.Contains(bad, pictures.Label(h.ImageID)) {
				t.Errorf("%s: %s was found", name, pictures.Label(h.ImageID))
			}
		}
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The case anim-valid: what is measured is the set without the bad pictures, and the report counts them. The reference's files need all.
func TestEvaluationWithBadPictures(t *testing.T) {
	dir, bad := goodAndBad(t)
	lines := "image,caption,split\n"
	names, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		lines += filepath.Base(n) + ",一张叫" + filepath.Base(n) + "的图,test\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "captions.csv"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	m := clipkit.Must(clipkit.Load(t.Context(), "emoji"))
	defer m.Close()
	data := clipkit.Must(clipkit.OpenDataset(t.Context(), dir))
	defer data.Close()
	if err := os.Remove(filepath.Join(dir, "gone.jpg")); err != nil {
		t.Fatal(err)
	}
	report, err := clipkit.EvaluateRetrieval(context.Background(), m, data.Test)
	if err != nil || report.LeftOut != len(bad) || report.Images != 6 || report.Texts != 6 {
		t.Errorf("%+v (%v), want 6 pictures and %d left out", report, err, len(bad))
	}
	_, err = clipkit.EvaluateRetrieval(context.Background(), m, data.Test, clipkit.ReferenceFiles(t.TempDir()))
	if err == nil || !slices.ContainsFunc(bad, func(name string) bool { return strings.Contains(err.Error(), name) }) {
		t.Errorf("the reference's files need every picture: %v", err)
	}
}
