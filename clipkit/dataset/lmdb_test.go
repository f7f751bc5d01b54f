package dataset_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
)

// TestLMDBConformance covers an LMDB of the reference with and without its jsonl, and one of ours.
func TestLMDBConformance(t *testing.T) {
	built := filepath.Join(t.TempDir(), "train")
	if _, err := dataset.WriteLMDB(t.Context(), open(t, "emoji").Valid, built, dataset.LMDBOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (dataset.Source, error){
		"reference": func() (dataset.Source, error) { return dataset.OpenLMDB("x", "testdata/lmdb/train", "") },
		"with its jsonl": func() (dataset.Source, error) {
			return dataset.OpenLMDB("x", "testdata/lmdb/test", "testdata/raw/test_texts.jsonl")
		},
		"ours": func() (dataset.Source, error) { return dataset.OpenLMDB("x", built, "") },
	} {
		t.Run(name, func(t *testing.T) {
			datasettest.Test(t, func(t *testing.T) dataset.Source {
				s, err := open()
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

// contents is *_lmdb_contents.json: what Python's lmdb module reads from the reference's files, in key order.
type contents struct {
	Pairs [][2]json.RawMessage
	Hex   string `json:"pair0_pickle_hex"`
	Imgs  [][2]string
}

func readContents(t *testing.T, split string) contents {
	t.Helper()
	data, err := os.ReadFile("testdata/lmdb/" + split + "_lmdb_contents.json")
	if err != nil {
		t.Fatal(err)
	}
	var c contents
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReferenceLMDB(t *testing.T) {
	for _, split := range []string{"train", "valid", "test"} {
		s, err := dataset.OpenLMDB(split, "testdata/lmdb/"+split, "")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		want := readContents(t, split)
		pairs := dataset.Pairs(s)
		if len(pairs) != len(want.Pairs)-1 || len(s.ImageIDs()) != len(want.Imgs)-1 {
			t.Fatalf("%s: %d pairs and %d pictures, want %d and %d", split, len(pairs), len(s.ImageIDs()), len(want.Pairs)-1, len(want.Imgs)-1)
		}
		for _, entry := range want.Pairs {
			var index int
			if json.Unmarshal([]byte(strings.Trim(string(entry[0]), `"`)), &index) != nil {
				continue // num_samples
			}
			p := pairs[index]
			text, _ := json.Marshal(p.Text)
			var compact []any
			if err := json.Unmarshal(entry[1], &compact); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d %d %s", p.ImageID, p.TextID, text); got != fmt.Sprintf("%.0f %.0f %q", compact...) {
				t.Errorf("%s: pair %d is %s, want %s", split, index, got, entry[1])
			}
		}
		raw := map[string]dataset.Source{"train": open(t, "testdata/raw").Train, "valid": open(t, "testdata/raw").Valid, "test": open(t, "testdata/raw").Test}[split]
		for i, id := range s.ImageIDs() {
			if fmt.Sprint(id) != want.Imgs[i][0] {
				t.Errorf("%s: picture %d is %d, want %s", split, i, id, want.Imgs[i][0])
			}
			got, err := s.Image(id)
			if err != nil {
				t.Fatal(err)
			}
			if expected, err := raw.Image(id); err != nil || !slices.Equal(got, expected) {
				t.Errorf("%s: picture %d differs from the tsv's (error %v)", split, id, err)
			}
		}
	}
}

func TestContents(t *testing.T) {
	s, err := dataset.OpenLMDB("train", "testdata/lmdb/train", "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, want := dataset.Contents("train", s), "train LMDB file contains 12 images and 15 pairs."; got != want { // fixtures/e2e/run1.log
		t.Errorf("%q, want %q", got, want)
	}
	if got := dataset.Contents("val", open(t, "testdata/raw").Valid); !strings.HasPrefix(got, "val data set contains") {
		t.Errorf("%q", got)
	}
}

// TestOpenPrefersLMDB also shows that the captions without pictures come from the jsonl.
func TestOpenPrefersLMDB(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "train_imgs.tsv", "7\tQUJD\n")
	texts := `{"text_id": 1, "text": "猫", "image_ids": [7]}` + "\n" + `{"text_id": 2, "text": "狗", "image_ids": []}`
	write(t, dir, "train_texts.jsonl", texts)
	if _, err := dataset.BuildLMDB(t.Context(), dir, nil, "", dataset.LMDBOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "train_imgs.tsv", "no longer read")
	s := open(t, dir).Train
	if len(s.Texts()) != 2 || !strings.Contains(dataset.Contents("train", s), "LMDB file contains 1 images and 1 pairs.") {
		t.Errorf("%d texts; %s", len(s.Texts()), dataset.Contents("train", s))
	}
	write(t, dir, "train_texts.jsonl", strings.Replace(texts, "猫", "虎", 1))
	if _, err := dataset.Open(dir); !errors.Is(err, dataset.ErrFormat) || !strings.Contains(err.Error(), "train_texts.jsonl:1 is not what pair 0") {
		t.Errorf("changed jsonl: error %v", err)
	}
	write(t, dir, "train_texts.jsonl", texts+"\n"+`{"text_id": 3, "text": "鱼", "image_ids": [7]}`)
	if _, err := dataset.Open(dir); err == nil || !strings.Contains(err.Error(), "is not what pair 1") {
		t.Errorf("longer jsonl: error %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "train_texts.jsonl")); err != nil {
		t.Fatal(err)
	}
	if s := open(t, dir).Train; len(s.Texts()) != 1 {
		t.Errorf("%d texts without the jsonl, want 1", len(s.Texts()))
	}
}
