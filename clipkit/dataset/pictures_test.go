package dataset_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/dataset"
)

func TestPictures(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	open := func() (ids map[string]int64) {
		p, err := dataset.OpenPictures(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ids = map[string]int64{}
		for _, id := range p.ImageIDs() {
			if id < 0 || id >= 1<<53 {
				t.Errorf("id %d is no whole number of a float64", id)
			}
			ids[p.Label(id)] = id
			if b, err := p.Image(id); err != nil || string(b) != "a picture" && string(b) != "another picture" {
				t.Errorf("%s: %q %v", p.Label(id), b, err)
			}
		}
		if len(ids) != len(p.ImageIDs()) || len(p.Texts()) != 0 || p.Label(-1) != "" {
			t.Errorf("%d labels of %d pictures, %d texts", len(ids), len(p.ImageIDs()), len(p.Texts()))
		}
		if _, err := p.Image(-1); !errors.Is(err, dataset.ErrNotFound) {
			t.Error(err)
		}
		return ids
	}
	write("b/2.PNG", "a picture")
	write("a.jpg", "a picture")
	write(".hidden/3.png", "a picture")
	write("notes.txt", "no picture")
	before := open()
	if len(before) != 2 || before["b/2.PNG"] == 0 || before["a.jpg"] == 0 {
		t.Fatal(before)
	}
	write("0.gif", "a picture") // comes first, and moves nothing
	write("a.jpg", "another picture")
	after := open()
	if after["b/2.PNG"] != before["b/2.PNG"] || after["a.jpg"] == before["a.jpg"] || len(after) != 3 {
		t.Errorf("before %v, after %v", before, after)
	}
	outside := filepath.Join(t.TempDir(), "secret.png")
	if err := errors.Join(os.WriteFile(outside, []byte("a picture"), 0o644), os.Symlink(outside, filepath.Join(dir, "out.png"))); err != nil {
		t.Fatal(err)
	}
	if linked := open(); len(linked) != 3 {
		t.Errorf("with a link that leads out: %v", linked)
	}
	if _, err := dataset.OpenPictures(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there")
	}
}
