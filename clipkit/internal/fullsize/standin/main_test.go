package main

import (
	"bytes"
	"context"
	"image"
	_ "image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/internal/limit"
)

func TestMain(m *testing.M) { limit.Main(m) }

// Fifty pictures of each split: both layouts open and agree, no picture or id is there twice, and the set is not taken for the real one.
func TestFiftyPictures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Flickr30k-CN")
	if err := write(t.Context(), dir, 50); err != nil {
		t.Fatal(err)
	}
	data, err := dataset.Open(dir) // its LMDB
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	seen, ids, captions, bytesInAll := map[string]bool{}, map[int64]bool{}, map[string]bool{}, 0
	for _, s := range []dataset.Source{data.Train, data.Valid, data.Test} {
		if s == nil || len(s.ImageIDs()) != 50 || len(s.Texts()) != 250 || len(dataset.Pairs(s)) != 250 {
			t.Fatal(data)
		}
		for _, id := range s.ImageIDs() {
			file, err := s.Image(id)
			if err != nil {
				t.Fatal(err)
			}
			c, kind, err := image.DecodeConfig(bytes.NewReader(file))
			if err != nil || kind != "jpeg" || c.Width != 500 || c.Height != 375 {
				t.Errorf("picture %d: %s of %d×%d, %v", id, kind, c.Width, c.Height, err)
			}
			if seen[string(file)] || ids[id] || id <= firstID {
				t.Errorf("picture %d", id)
			}
			seen[string(file)], ids[id] = true, true
			bytesInAll += len(file)
		}
		for _, text := range s.Texts() {
			captions[text.Text] = true
		}
	}
	if len(captions) < 740 {
		t.Errorf("%d different captions of 750", len(captions))
	}
	if each := bytesInAll / 150; each < 20_000 || each > 60_000 {
		t.Errorf("%d bytes a picture", each)
	}
	if p, ok := dataset.Recognise(data); ok {
		t.Errorf("taken for %s", p.Name)
	}

	// A second run leaves it, and one that a killed run left goes on.
	before, err := os.Stat(filepath.Join(dir, "train_imgs.tsv"))
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, "lmdb"))
	}
	if err == nil {
		err = write(t.Context(), dir, 50)
	}
	after, statErr := os.Stat(filepath.Join(dir, "train_imgs.tsv"))
	if err != nil || statErr != nil || !before.ModTime().Equal(after.ModTime()) || missing(filepath.Join(dir, "lmdb", "test", "imgs", "data.mdb")) {
		t.Errorf("again: %v, %v", err, statErr)
	}
}

func TestStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := t.TempDir()
	if err := write(ctx, dir, 50); err == nil || !missing(filepath.Join(dir, "train_imgs.tsv")) {
		t.Error(err)
	}
	if err := run(t.Context(), "", 50); err == nil {
		t.Error("no folder")
	}
}
