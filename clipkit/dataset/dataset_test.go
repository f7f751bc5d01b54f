package dataset_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
)

func TestConformance(t *testing.T) {
	for name, split := range map[string]func(*dataset.Dataset) dataset.Source{
		"emoji":        func(d *dataset.Dataset) dataset.Source { return d.Valid },
		"testdata/raw": func(d *dataset.Dataset) dataset.Source { return d.Train },
	} {
		t.Run(name, func(t *testing.T) {
			datasettest.Test(t, func(t *testing.T) dataset.Source { return split(open(t, name)) })
		})
	}
}

func open(t *testing.T, path string) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestEmoji(t *testing.T) {
	d := open(t, "emoji")
	for _, c := range []struct {
		split  dataset.Source
		images int
	}{{d.Train, 1202}, {d.Valid, 150}, {d.Test, 500}} {
		if images, pairs := len(c.split.ImageIDs()), len(dataset.Pairs(c.split)); images != c.images || pairs != 5*c.images {
			t.Errorf("%s has %d images and %d pairs, want %d and %d", c.split.Name(), images, pairs, c.images, 5*c.images)
		}
	}
}

// TestReferenceSet compares with what the reference's own builder and base64 routine make of the same files.
func TestReferenceSet(t *testing.T) {
	data, err := os.ReadFile("testdata/raw_expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]struct {
		Pairs  []dataset.Pair
		Images []struct {
			ID     int64
			SHA256 string
		}
	}
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	d := open(t, "testdata/raw")
	for split, s := range map[string]dataset.Source{"train": d.Train, "valid": d.Valid, "test": d.Test} {
		want := expected[split]
		if s.Name() != "raw/"+split {
			t.Errorf("name %q, want raw/%s", s.Name(), split)
		}
		if got := dataset.Pairs(s); len(want.Pairs) == 0 || !slices.Equal(got, want.Pairs) {
			t.Errorf("%s: pairs\n got %v\nwant %v", split, got, want.Pairs)
		}
		if len(s.ImageIDs()) != len(want.Images) {
			t.Errorf("%s: %d images, want %d", split, len(s.ImageIDs()), len(want.Images))
		}
		for i, id := range s.ImageIDs() {
			picture, err := s.Image(id)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(picture)
			if id != want.Images[i].ID || hex.EncodeToString(sum[:]) != want.Images[i].SHA256 {
				t.Errorf("%s: image %d differs from the reference's, which has id %d here", split, id, want.Images[i].ID)
			}
		}
	}
}

func TestOpenPartialFolders(t *testing.T) {
	dir := t.TempDir()
	if _, err := dataset.Open(filepath.Join(dir, "absent")); !errors.Is(err, dataset.ErrNotFound) {
		t.Errorf("absent folder: error %v", err)
	}
	if _, err := dataset.Open(dir); !errors.Is(err, dataset.ErrNotFound) || !strings.Contains(err.Error(), "train_imgs.tsv") {
		t.Errorf("empty folder: error %v", err)
	}
	write(t, dir, "test_imgs.tsv", "1\tQUJD\r\n2\tQUJD")
	if _, err := dataset.Open(dir); !errors.Is(err, dataset.ErrNotFound) || !strings.Contains(err.Error(), "test_texts.jsonl") {
		t.Errorf("pictures without captions: error %v", err)
	}
	write(t, dir, "test_texts.jsonl", `{"text_id": 1, "text": "猫", "image_ids": [], "extra": {"ok": true}}`)
	d := open(t, dir)
	if d.Train != nil || d.Valid != nil || d.Test == nil {
		t.Fatalf("splits %v", d)
	}
	for _, id := range []int64{1, 2} {
		if picture, err := d.Test.Image(id); err != nil || string(picture) != "ABC" {
			t.Errorf("image %d is %q, error %v", id, picture, err)
		}
	}
	if pairs := dataset.Pairs(d.Test); len(pairs) != 0 {
		t.Errorf("hidden answers gave pairs %v", pairs)
	}
	if _, err := dataset.Open(filepath.Join(dir, "test_imgs.tsv")); !errors.Is(err, dataset.ErrFormat) {
		t.Errorf("a file as a data set: error %v", err)
	}
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImageAfterClose(t *testing.T) {
	s, err := dataset.OpenTSV("raw/test", "testdata/raw/test_imgs.tsv", "testdata/raw/test_texts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image(s.ImageIDs()[0]); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("error %v, want fs.ErrClosed", err)
	}
}

func TestWriteTSVRoundTrip(t *testing.T) {
	s := open(t, "testdata/raw").Train
	dir := t.TempDir()
	imgs, texts := filepath.Join(dir, "train_imgs.tsv"), filepath.Join(dir, "train_texts.jsonl")
	if err := dataset.WriteTSV(s, imgs, texts); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir).Train
	if !slices.Equal(again.ImageIDs(), s.ImageIDs()) || !slices.Equal(dataset.Pairs(again), dataset.Pairs(s)) {
		t.Fatal("ids or pairs differ after writing and reading")
	}
	for _, id := range s.ImageIDs() {
		want, _ := s.Image(id)
		if got, err := again.Image(id); err != nil || !slices.Equal(got, want) {
			t.Errorf("image %d differs after writing and reading (error %v)", id, err)
		}
	}
}
