package dataset_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// All 60 pictures of a folder come with their captions, whatever split training would give them, and ids that stay while others come and go. A caption
// file that cannot be read takes no picture away, and is told.
func TestPicturesWithCaptions(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list := "image,caption\n"
	for i := range 60 {
		write(fmt.Sprintf("%02d.jpg", i), "a picture")
		list += fmt.Sprintf("%02d.jpg,第%d张\n", i, i)
	}
	write("captions.csv", list+"07.jpg,又一句\n")
	open := func() (said string, captions map[string]string, ids map[string]int64) {
		p, err := dataset.OpenPictures(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		captions, ids = map[string]string{}, map[string]int64{}
		for _, id := range p.ImageIDs() {
			captions[p.Label(id)] = ""
		}
		for _, c := range p.Texts() {
			captions[p.Label(c.ImageIDs[0])] += c.Text
			ids[c.Text] = c.ID
			if c.ID < 0 || c.ID >= 1<<53 {
				t.Errorf("id %d is no whole number of a float64", c.ID)
			}
		}
		return p.PassedOver, captions, ids
	}
	said, captions, before := open()
	if said != "" || len(captions) != 60 || captions["00.jpg"] != "第0张" || captions["07.jpg"] != "第7张又一句" || captions["59.jpg"] != "第59张" || len(before) != 61 {
		t.Errorf("%q %v %d", said, captions, len(before))
	}
	write("0.jpg", "a picture")
	write("captions.csv", "image,caption\n0.jpg,新的\n"+list[len("image,caption\n"):])
	if _, captions, after := open(); len(captions) != 61 || after["第59张"] != before["第59张"] || captions["0.jpg"] != "新的" {
		t.Errorf("%v, id %d, was %d", captions, after["第59张"], before["第59张"])
	}
	write("captions.csv", "image,caption\nnone.jpg,没有\n")
	if said, captions, _ := open(); len(captions) != 61 || captions["00.jpg"] != "" || !strings.Contains(said, "captions are not shown") || !strings.Contains(said, "captions.csv:2: none.jpg") {
		t.Errorf("%q %v", said, captions)
	}
}
