package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goodTexts goes with every broken tsv, goodImages with every broken jsonl.
const (
	goodImages = "1\tQUJD\n"
	goodTexts  = `{"text_id": 1, "text": "猫", "image_ids": [1]}`
)

// fault 15, 16
func TestBrokenFiles(t *testing.T) {
	for name, want := range map[string]string{
		"empty.tsv":                  "is empty",
		"no-tab.tsv":                 ":2: no TAB",
		"blank-line.tsv":             ":2: blank line",
		"string-id.tsv":              `:2: image id must be an integer, not "cat.jpg"`,
		"huge-id.tsv":                ":1: image id must be an integer",
		"duplicate-id.tsv":           ":3: image id 7 is already on line 1",
		"three-fields.tsv":           ":1: 3 fields",
		"no-picture.tsv":             ":2: no picture",
		"empty.jsonl":                "is empty",
		"blank-line.jsonl":           ":2: blank line",
		"not-json.jsonl":             ":2: not a JSON object",
		"not-an-object.jsonl":        ":1: not a JSON object",
		"not-utf8.jsonl":             ":1: not UTF-8",
		"no-text-id.jsonl":           ":2: no field text_id",
		"no-text.jsonl":              ":1: no field text;",
		"no-image-ids.jsonl":         ":1: no field image_ids",
		"old-field-names.jsonl":      ":1: no field text_id",
		"null-fields.jsonl":          ":1: text_id must be an integer, not null",
		"string-text-id.jsonl":       `:2: text_id must be an integer, not the string "2"`,
		"fraction-text-id.jsonl":     ":1: text_id must be an integer, not 2.0",
		"string-image-id.jsonl":      `:1: image_ids[1] must be an integer, not the string "cat.jpg"`,
		"image-ids-not-a-list.jsonl": ":1: image_ids must be a list",
		"text-not-a-string.jsonl":    ":1: text must be a string, not 5",
		"duplicate-id.jsonl":         ":2: text_id 1 is already on line 1",
		"unknown-image.jsonl":        ":2: image id 404 is not in",
	} {
		path := filepath.Join("testdata/broken", name)
		dir := t.TempDir()
		imgs, texts := filepath.Join(dir, "imgs.tsv"), filepath.Join(dir, "texts.jsonl")
		if err := errors.Join(os.WriteFile(imgs, []byte(goodImages), 0o644), os.WriteFile(texts, []byte(goodTexts), 0o644)); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".tsv") {
			imgs = path
		} else {
			texts = path
		}
		_, err := OpenTSV("broken", imgs, texts)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want ErrFormat with the path and %q", name, err, want)
		}
	}
}

func TestCutOffPicture(t *testing.T) {
	f, err := os.Open("testdata/broken/cut-off.tsv")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newTSV("broken", file{"cut-off.tsv", f}, "texts.jsonl", strings.NewReader(goodTexts))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Image(1); err != nil {
		t.Errorf("good picture: %v", err)
	}
	if _, err := s.Image(2); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "cut-off.tsv:2") {
		t.Errorf("error %v, want ErrFormat naming cut-off.tsv:2", err)
	}
}

// TestImageIsAtItsOffset puts lines of all lengths around the size of the read buffer into one tsv.
func TestImageIsAtItsOffset(t *testing.T) {
	var tsv bytes.Buffer
	want := map[int64]string{}
	for i, n := range []int{3, 3 << 17, 3, 196_600, 196_603, 196_606, 196_609, 300, 1 << 20} {
		n -= n % 3
		want[int64(i)] = strings.Repeat("ABC", n/3)
		fmt.Fprintf(&tsv, "%d\t%s\n", i, strings.Repeat("QUJD", n/3))
	}
	s, err := newTSV("long", file{"long.tsv", bytes.NewReader(tsv.Bytes())}, "texts.jsonl", strings.NewReader(goodTexts))
	if err != nil {
		t.Fatal(err)
	}
	for id, picture := range want {
		if got, err := s.Image(id); err != nil || string(got) != picture {
			t.Errorf("image %d: %d bytes, want %d, error %v", id, len(got), len(picture), err)
		}
	}
}

// fault 16, 19.9
func TestLimits(t *testing.T) {
	long := io.MultiReader(strings.NewReader("1\t"), io.LimitReader(letters{}, maxImageLine))
	if _, _, err := indexTSV("long.tsv", long); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "long.tsv:1: line longer than 64 MiB") {
		t.Errorf("tsv: error %v", err)
	}
	if _, err := readTexts("long.jsonl", io.LimitReader(letters{}, 2*maxTextLine)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "line longer than 1 MiB") {
		t.Errorf("jsonl: error %v", err)
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

// seed adds the files of testdata with the ending ext to the corpus.
func seed(f *testing.F, ext string) {
	for _, pattern := range []string{"testdata/broken/*", "testdata/raw/test_*"} {
		names, err := filepath.Glob(pattern + ext)
		if err != nil || len(names) == 0 {
			f.Fatalf("no files %s%s (error %v)", pattern, ext, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
}

func FuzzTSV(f *testing.F) {
	seed(f, ".tsv")
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, at, err := indexTSV("fuzz.tsv", bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		s := &storedSource{name: "fuzz", imgs: file{"fuzz.tsv", bytes.NewReader(data)}, ids: ids, at: at, texts: []Text{{ID: 1}}}
		lines := bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) + 1
		if len(ids) != lines || len(at) != lines {
			t.Fatalf("%d ids and %d extents in %d lines", len(ids), len(at), lines)
		}
		good := s.ids[:0:0]
		for _, id := range ids {
			if _, err := s.Image(id); err == nil {
				good = append(good, id)
			} else if !errors.Is(err, ErrFormat) {
				t.Fatalf("image %d: error %v is not ErrFormat", id, err)
			}
		}
		if s.ids = good; len(good) == 0 {
			return
		}
		dir := t.TempDir()
		if err := WriteTSV(s, filepath.Join(dir, "i"), filepath.Join(dir, "t")); err != nil {
			t.Fatal(err)
		}
		again, err := OpenTSV("again", filepath.Join(dir, "i"), filepath.Join(dir, "t"))
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		for _, id := range good {
			want, _ := s.Image(id)
			if got, err := again.Image(id); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("image %d differs after writing and reading (error %v)", id, err)
			}
		}
	})
}

func FuzzTexts(f *testing.F) {
	seed(f, ".jsonl")
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := readTexts("fuzz.jsonl", bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		var again bytes.Buffer
		for _, text := range texts {
			ids, _ := json.Marshal(text.ImageIDs)
			s, _ := json.Marshal(text.Text)
			fmt.Fprintf(&again, "{\"text_id\":%d,\"text\":%s,\"image_ids\":%s}\n", text.ID, s, ids)
		}
		back, err := readTexts("again.jsonl", &again)
		if err != nil || !slices.EqualFunc(back, texts, func(a, b Text) bool {
			return a.ID == b.ID && a.Text == b.Text && slices.Equal(a.ImageIDs, b.ImageIDs)
		}) {
			t.Fatalf("%v\nbecame %v, error %v", texts, back, err)
		}
	})
}
