package dataset_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
)

// TestShapesThatAreRefused say what is in the folder and what to do. (The shapes themselves are tried in package shape.)
func TestShapesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files []string // of testdata of package shape → path in the folder, or empty ones
		want  string
	}{
		"two shapes":            {[]string{"webdataset/train-000000.tar", "parquet/data/test-00000-of-00001.parquet"}, "holds data of two shapes, parquet (parquet/data/test-00000-of-00001.parquet) and WebDataset (webdataset/train-000000.tar); leave one of them there"},
		"a compressed shard":    {[]string{"00000.tar.gz"}, "00000.tar.gz is not read: gunzip it"},
		"save_to_disk":          {[]string{"train/data-00000-of-00001.arrow", "dataset_dict.json"}, `train/data-00000-of-00001.arrow is not read: write it as parquet: load_from_disk(…)`},
		"TFRecord":              {[]string{"a.tfrecord"}, "a.tfrecord is not read: write its samples into a tar"},
		"nothing":               {[]string{"README.md"}, "want train_imgs.tsv with train_texts.jsonl or lmdb/train"},
		"one split in two":      {[]string{"imagefolder/validation/metadata.jsonl", "imagefolder/validation/01.png", "imagefolder/validation/02.png", "imagefolder/validation/03.png", "imagefolder/validation/04.png", "val/metadata.csv"}, ""},
		"a file of no split":    {[]string{"webdataset/train-000000.tar", "extra.tar"}, "extra.tar says no split, and others there do"},
		"tables of img2dataset": {[]string{"img2dataset/train/00000.parquet"}, "want a binary one of pictures"},
	} {
		dir := t.TempDir()
		for _, f := range c.files {
			data, err := os.ReadFile(filepath.Join("shape", "testdata", f))
			if err != nil {
				data = []byte("file_name,text\n01.png,x\n")
			}
			to := filepath.Join(dir, f)
			if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		d, err := dataset.Open(dir)
		if err == nil {
			d.Close()
		}
		if err == nil || !errors.Is(err, dataset.ErrFormat) && !errors.Is(err, dataset.ErrNotFound) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// TestLeftOutIsSaid where people see it: in what a data set prints.
func TestLeftOutIsSaid(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("webdataset/testdata/broken/missing-twin.tar")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "val-0.tar", string(data))
	d, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := "valid 1 pictures, 1 texts; valid: 3 samples left out: " + filepath.Join(dir, "val-0.tar") + ": alone has no caption (alone.txt or .json); "
	if got := d.String(); !strings.Contains(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
