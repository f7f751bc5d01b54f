package dataset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/lmdb"
)

// What goes wrong with data, by the reference's code and its issues, and where it is tested:
//
//	layout                                  TestTroublesOfTheReference, TestOpenPartialFolders
//	tsv and jsonl: fields, types, ids       TestBrokenFiles, TestTroublesOfTheReference; encodings and the rest here
//	both base64 alphabets                   TestBase64, TestReferenceSet
//	LMDB: counts, keys, pickles, damage     TestLMDBWithWrongEntries, TestBrokenLMDBFiles; the 1 TiB map, here
//	builder: stale keys, duplicates         TestBuildLMDBGrowsAndReplaces, TestBuildLMDBRefuses
//	order, padding, hidden answers          order_test.go; package loader: TestChecksItsConfiguration, TestFewPairs
//	ids that are strings                    TestTroublesOfTheReference
//	dirty data, repeats                     TestCheckFinds, TestInBatchAgainstAllBatches
//	another split or size                   TestPublished
//	long texts                              TestCheckFinds; package loader: TestBatches
//	bad pictures, crashes                   package loader: pictures_test.go, TestSkipsBadPairs, TestReportsBadTransforms; files that change here
//	downloads                               TestPublished and package weights
//
// The rest of this file is what those do not have. Every error must name the place, and what to do about it.

// TestBadEncodings has files that an editor, a spreadsheet or a careless program wrote.
// fault 16
func TestBadEncodings(t *testing.T) {
	for name, c := range map[string]struct {
		imgs, texts string
		want        string // "": opens, and the caption is 猫
	}{
		"CRLF":                     {"1\tQUJD\r\n", goodTexts + "\r\n", ""},
		"no newline at the end":    {"1\tQUJD", goodTexts, ""},
		"escaped Chinese":          {goodImages, `{"text_id": 1, "text": "\u732b", "image_ids": [1]}`, ""},
		"a blank line with a CR":   {"1\tQUJD\r\n\r\n", goodTexts, "imgs.tsv:2: blank line; want"},
		"BOM in the tsv":           {"\xef\xbb\xbf" + goodImages, goodTexts, "imgs.tsv:1: a byte order mark; save the file as UTF-8 without one"},
		"BOM in the jsonl":         {goodImages, "\xef\xbb\xbf" + goodTexts, "texts.jsonl:1: a byte order mark; save the file as UTF-8 without one"},
		"UTF-16 tsv":               {"\xff\xfe1\x00\t\x00Q\x00\n\x00", goodTexts, "imgs.tsv:1: UTF-16; save the file as UTF-8"},
		"UTF-16 jsonl, big-endian": {goodImages, "\xfe\xff\x00{", "texts.jsonl:1: UTF-16; save the file as UTF-8"},
		"GBK":                      {goodImages, "{\"text_id\": 1, \"text\": \"\xc3\xa8\xff\", \"image_ids\": [1]}", "texts.jsonl:1: not UTF-8; save the file as UTF-8"},
		"a Python dict":            {goodImages, `{'text_id': 1, 'text': '猫', 'image_ids': [1]}`, `texts.jsonl:1: not a JSON object: invalid character '\''`},
		"two objects on a line":    {goodImages, goodTexts + goodTexts, `after top-level value; want {"text_id": 1, "text": "…", "image_ids": [1]}`},
		"one JSON list":            {goodImages, "[" + goodTexts + "]", `texts.jsonl:1: not a JSON object`},
		"a page of HTML":           {"<!DOCTYPE html>\n", goodTexts, "imgs.tsv:1: no TAB; want <image id>TAB<base64>"},
		"no id":                    {"\tQUJD\n", goodTexts, `imgs.tsv:1: image id must be an integer, not ""; number the pictures, here and in image_ids`},
		"a float of an id":         {"1.0\tQUJD\n", goodTexts, `not "1.0"; number the pictures`},
		"true as an id":            {goodImages, `{"text_id": true, "text": "猫", "image_ids": [1]}`, "texts.jsonl:1: text_id must be an integer, not true"},
		"an exponent":              {goodImages, `{"text_id": 1e3, "text": "猫", "image_ids": [1]}`, "texts.jsonl:1: text_id must be an integer, not 1e3"},
		"null among the ids":       {goodImages, `{"text_id": 1, "text": "猫", "image_ids": [1, null]}`, "texts.jsonl:1: image_ids[1] must be an integer, not null"},
		"a string among the ids":   {goodImages, `{"text_id": 1, "text": "猫", "image_ids": ["1"]}`, "evaluation compares numbers, so number the captions and pictures"},
		"an object as the text":    {goodImages, `{"text_id": 1, "text": {"zh": "猫"}, "image_ids": [1]}`, `texts.jsonl:1: text must be a string, not {"zh"`},
	} {
		dir := t.TempDir()
		put(t, dir, "imgs.tsv", c.imgs)
		put(t, dir, "texts.jsonl", c.texts)
		s, err := OpenTSV("broken", filepath.Join(dir, "imgs.tsv"), filepath.Join(dir, "texts.jsonl"))
		switch {
		case c.want == "" && err != nil, c.want != "" && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir)):
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		case err == nil:
			if picture, err := s.Image(1); err != nil || string(picture) != "ABC" || s.Texts()[0].Text != "猫" {
				t.Errorf("%s: picture %q, caption %q, error %v", name, picture, s.Texts()[0].Text, err)
			}
			s.Close()
		}
	}
}

// TestBadBase64 is found when a picture is asked for, not before.
// fault 15
func TestBadBase64(t *testing.T) {
	for data, want := range map[string]string{
		"====":   "no base64 data",
		"QUJDR":  "not base64: 5 characters of data, which no padding completes",
		"QUJDRA": "base64 without padding after 6 characters; the line is probably cut off",
		"……":     "no base64 data",
	} {
		s, err := newTSV("x", file{"x.tsv", strings.NewReader("7\t" + data)}, "x.jsonl", strings.NewReader(`{"text_id": 1, "text": "猫", "image_ids": []}`))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Image(7)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "image 7, x.tsv:1: "+want) || !strings.HasSuffix(err.Error(), "write the picture again, or take it and its captions out") {
			t.Errorf("%q: error %v, want %q", data, err, want)
		}
	}
}

// TestFileThatChanges is cut off, or goes away, after it was opened. A mapped file would end the program here, with a bus error.
// fault 24
func TestFileThatChanges(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "imgs.tsv", "1\tQUJD\n2\tQUJDQUJDQUJD\n")
	put(t, dir, "texts.jsonl", goodTexts)
	stored, err := OpenTSV("x", filepath.Join(dir, "imgs.tsv"), filepath.Join(dir, "texts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	if err := os.Truncate(filepath.Join(dir, "imgs.tsv"), int64(len("1\tQUJD\n2\tQUJD"))); err != nil {
		t.Fatal(err)
	}
	if got, err := stored.Image(2); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "image 2, "+filepath.Join(dir, "imgs.tsv:2")) || !strings.Contains(err.Error(), "open it again") {
		t.Errorf("a shorter tsv: %q, error %v", got, err)
	}

	if _, err := WriteLMDB(t.Context(), onePicture(t, strings.Repeat("x", 1<<20)), filepath.Join(dir, "lmdb"), LMDBOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := OpenLMDB("x", filepath.Join(dir, "lmdb"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(filepath.Join(dir, "lmdb", "imgs", "data.mdb"), 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image(1); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "image 1, "+filepath.Join(dir, "lmdb", "imgs")) {
		t.Errorf("a shorter LMDB: error %v", err)
	}
}

// onePicture is a split of one picture with one caption.
func onePicture(t *testing.T, picture string) Source {
	t.Helper()
	s, err := newTSV("one", file{"one.tsv", strings.NewReader("1\t" + base64.StdEncoding.EncodeToString([]byte(picture)))}, "one.jsonl", strings.NewReader(goodTexts))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReadErrors of the disk are not taken for the end of a file, nor for a blank line.
// fault 24
func TestReadErrors(t *testing.T) {
	broken := errors.New("input/output error")
	for _, before := range []string{"", "1\tQUJD\n", "1\tQUJD\n2\tQU"} {
		r := io.MultiReader(strings.NewReader(before), failing{broken})
		if _, _, err := indexTSV("x.tsv", r); !errors.Is(err, broken) || !strings.Contains(err.Error(), "reading x.tsv:") {
			t.Errorf("tsv after %q: error %v", before, err)
		}
	}
	if _, err := readTexts("x.jsonl", io.MultiReader(strings.NewReader(goodTexts+"\n"), failing{broken})); !errors.Is(err, broken) || !strings.Contains(err.Error(), "reading x.jsonl:2") {
		t.Errorf("jsonl: error %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "train_imgs.tsv"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "train_texts.jsonl", goodTexts)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "train_imgs.tsv") || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a folder in place of the tsv: error %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestMapOf1TiB reads a data.mdb that is as large as the reference's map, as on file systems without holes, and asks for maps that
// no machine has.
// fault 21
func TestMapOf1TiB(t *testing.T) {
	data, err := os.ReadFile("testdata/lmdb/train/imgs/data.mdb")
	if err != nil {
		t.Fatal(err)
	}
	p, err := lmdb.NewFile("huge", padded{bytes.NewReader(data)}, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	ids, at, err := indexLMDB("huge", p)
	if err != nil || len(ids) != 12 {
		t.Fatalf("%d pictures, error %v", len(ids), err)
	}
	for _, id := range ids {
		if e := at[id]; e.offset+int64(e.length) > int64(len(data)) {
			t.Errorf("picture %d lies at %d, past the data", id, e.offset)
		}
	}

	dir := filepath.Join(t.TempDir(), "train")
	small := onePicture(t, "x")
	if _, err := WriteLMDB(t.Context(), small, dir, LMDBOptions{MapSize: 1 << 62}); err == nil || !strings.Contains(err.Error(), "take a smaller MapSize") || !strings.Contains(err.Error(), dir) {
		t.Errorf("a map of 4 EiB: error %v", err)
	}
	if _, err := WriteLMDB(t.Context(), small, dir, LMDBOptions{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "imgs", "data.mdb")); err != nil || info.Size() > 1<<20 {
		t.Errorf("one picture of a byte takes %v, error %v", info, err)
	}
}

// padded is followed by zeros without end.
type padded struct{ data *bytes.Reader }

func (p padded) ReadAt(b []byte, offset int64) (int, error) {
	clear(b)
	if n, err := p.data.ReadAt(b, offset); err != nil && err != io.EOF {
		return n, err
	}
	return len(b), nil
}
