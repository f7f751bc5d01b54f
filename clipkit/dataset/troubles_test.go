package dataset_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
)

// TestTroublesOfTheReference has what users of the reference meet, by its code and its issues (#), as the files that cause it. Each error
// must name the file and line, or the id, and what to do about it.
func TestTroublesOfTheReference(t *testing.T) {
	good := map[string]string{
		"train_imgs.tsv":    "1\tQUJD\n2\tQUJE\n",
		"train_texts.jsonl": `{"text_id": 1, "text": "猫", "image_ids": [1]}` + "\n" + `{"text_id": 2, "text": "狗", "image_ids": [2, 1]}` + "\n",
	}
	texts := func(second string) map[string]string {
		return map[string]string{"train_texts.jsonl": `{"text_id": 1, "text": "猫", "image_ids": [1]}` + "\n" + second + "\n"}
	}
	for _, c := range []struct {
		what   string
		change map[string]string // files; "" deletes
		want   []string          // "": opens
	}{
		{"both alphabets and extra fields", map[string]string{"train_imgs.tsv": "1\t-_-_\n2\tQUJE"}, nil},
		{"hidden answers", texts(`{"text_id": 2, "text": "狗", "image_ids": []}`), nil},
		{"the early archive's field names, #15", texts(`{"query_id": 2, "query_text": "狗", "item_ids": [2]}`), []string{"train_texts.jsonl:2", "want text_id, text and image_ids"}},
		{"a missing text field", texts(`{"text_id": 2, "image_ids": [2]}`), []string{"train_texts.jsonl:2", "no field text;", "want text_id, text and image_ids"}},
		{"a blank line in the jsonl", texts(""), []string{"train_texts.jsonl:2", "blank line; every line is one JSON object"}},
		{"a blank line in the tsv", map[string]string{"train_imgs.tsv": "1\tQUJD\n\n2\tQUJE\n"}, []string{"train_imgs.tsv:2", "blank line; want <image id>TAB<base64>"}},
		{"one field", map[string]string{"train_imgs.tsv": "1\tQUJD\n2 QUJE\n"}, []string{"train_imgs.tsv:2", "no TAB; want"}},
		{"three fields", map[string]string{"train_imgs.tsv": "1\tQUJD\n2\tQUJE\tcat\n"}, []string{"train_imgs.tsv:2", "3 fields; want two"}},
		{"duplicate image ids", map[string]string{"train_imgs.tsv": "1\tQUJD\n2\tQUJE\n1\tQUJF\n"}, []string{"train_imgs.tsv:3", "image id 1 is already on line 1", "own id"}},
		{"image_ids that are absent from the tsv", texts(`{"text_id": 2, "text": "狗", "image_ids": [2, 3, 4]}`), []string{"train_texts.jsonl:2", "image id 3 is not in", "train_imgs.tsv", "add the pictures, or take the ids out"}},
		{"#183 file names as image ids in the tsv", map[string]string{"train_imgs.tsv": "cat.jpg\tQUJD\n"}, []string{"train_imgs.tsv:1", `image id must be an integer, not "cat.jpg"`}},
		{"#183 file names as image ids in the jsonl", texts(`{"text_id": 2, "text": "狗", "image_ids": ["dog.jpg"]}`), []string{"train_texts.jsonl:2", `must be an integer, not the string "dog.jpg"; evaluation compares numbers`}},
		{"#183 strings as text ids", texts(`{"text_id": "2", "text": "狗", "image_ids": [2]}`), []string{"train_texts.jsonl:2", `text_id must be an integer, not the string "2"`}},
		{"#292 two captions with one id", texts(`{"text_id": 1, "text": "狗", "image_ids": [2]}`), []string{"train_texts.jsonl:2", "text_id 1 is already on line 1", "own text_id"}},
		{"one of the two files", map[string]string{"train_texts.jsonl": ""}, []string{"train_texts.jsonl", "a split is a pair of files"}},
		{"no files", map[string]string{"train_texts.jsonl": "", "train_imgs.tsv": ""}, []string{"no split in", "want train_imgs.tsv with train_texts.jsonl"}},
		{"no pairs/", map[string]string{"lmdb/train/imgs/lock.mdb": "x"}, []string{filepath.Join("lmdb", "train", "pairs"), "build it again"}},
		{"a data.mdb that is something else", map[string]string{"lmdb/train/pairs/data.mdb": "copy"}, []string{filepath.Join("pairs", "data.mdb"), "cut off or damaged", "build it again"}},
		{"no data.mdb in pairs/", map[string]string{"lmdb/train/pairs/data.mdb": "", "lmdb/train/imgs/data.mdb": "x"}, []string{filepath.Join("pairs", "data.mdb"), "build it again"}},
	} {
		dir := t.TempDir()
		files := maps.Clone(good)
		maps.Copy(files, c.change)
		for name, content := range files {
			if content == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, dir, name, content)
		}
		d, err := dataset.Open(dir)
		if err == nil {
			d.Close()
		}
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: error %v, want %q", c.what, err, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: error %v, want the path and %q", c.what, err, want)
			}
		}
	}
}

// TestFolderConformance puts the emoji valid split into a folder with captions.
func TestFolderConformance(t *testing.T) {
	dir := t.TempDir()
	captions := "image,caption\n"
	emoji := open(t, "emoji").Valid
	for _, text := range emoji.Texts()[:100] {
		name := "u" + strings.Repeat("x", int(text.ImageIDs[0]%7)) + ".png"
		picture, err := emoji.Image(text.ImageIDs[0])
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(picture))
		captions += name + ",\"" + text.Text + "\"\n"
	}
	write(t, dir, "captions.csv", captions)
	datasettest.Test(t, func(t *testing.T) dataset.Source {
		d, err := dataset.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		d.Valid.Close()
		return d.Train
	})
}
