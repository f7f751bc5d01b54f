package coco

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/shape"
)

// put writes files below a new folder.
func put(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBrokenFiles(t *testing.T) {
	for name, want := range map[string]string{
		"unknown-image":          "2 captions are of pictures that its images do not list: image_id 404: no such picture, image_id 405",
		"duplicate-image-id":     "element 2 of its images: a second picture with the id 1",
		"no-image-id":            "element 1 of its annotations: no field image_id",
		"no-file-name":           "element 1 of its images: no field file_name or filename",
		"no-id":                  "element 1 of its images: no field id, cocoid or imgid",
		"no-caption":             "element 1 of its annotations: no field caption",
		"caption-not-a-string":   "element 1 of its annotations: caption must be a string or a list of them, not 7",
		"file-name-not-a-string": "element 1 of its images: json: cannot unmarshal number into Go struct field element.file_name of type string",
		"missing-pictures":       "30 of 30 pictures are not in",
		"outside":                "2 of 2 pictures are not in",
		"two-names":              "twice.jpg: two pictures have this name; give the path in the file",
		"split-unknown":          `the split is "extra", want train, restval, val or test`,
		"nested-deep":            "nested more than 64 deep",
		"nested-deep-in-element": "exceeded max depth",
		"cut-off":                "unexpected EOF",
		"cut-off-at-end":         "unexpected EOF",
		"two-values":             "there is more after the end of its JSON",
		"not-json":               "invalid character 'i' looking for beginning of value",
		"empty":                  "unexpected EOF",
		"a-number":               "want a JSON object or list",
		"not-utf8":               "invalid UTF-8",
		"list-of-strings":        "element 1 of its list: json: cannot unmarshal string",
		"list-without-image":     "element 1 of its list: no field image",
		"byte-order-mark":        "",
		"empty-captions":         "",
		"strings-as-ids":         "",
		"equal-annotation-ids":   "",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "broken", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		dir := put(t, map[string]string{"annotations/captions_train.json": string(data), "images/a.jpg": "A", "images/b.jpg": "B", "x/twice.jpg": "1", "y/twice.jpg": "2"})
		path := filepath.Join(dir, "annotations", "captions_train.json")
		splits, err := Open("broken", dir, []string{"annotations/captions_train.json"})
		if want != "" {
			if !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: error %v, want the path and %q", name, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := splits[0]
		texts := s.Texts()
		last := texts[len(texts)-1]
		picture, err := s.Image(last.ImageIDs[0])
		if wantText := map[string]string{"A": "猫", "B": "一只狗"}[string(picture)]; err != nil || last.Text != wantText {
			t.Errorf("%s: %q of picture %q, error %v", name, last.Text, picture, err)
		}
		if name == "empty-captions" && (s.LeftOut.Count != 2 || len(texts) != 1 || last.ID != 2) {
			t.Errorf("%s: %v, %v", name, texts, &s.LeftOut)
		}
		if name == "strings-as-ids" && (!slices.Equal(s.ImageIDs(), []int64{1, 2}) || last.ID != 1) {
			t.Errorf("%s: pictures %v, captions %v", name, s.ImageIDs(), texts)
		}
		if name == "equal-annotation-ids" && last.ID != 2 {
			t.Errorf("%s: captions %v", name, texts)
		}
	}
}

// TestMissingPictures lists the first of them, as the file calls them, and how many there are.
func TestMissingPictures(t *testing.T) {
	dir := put(t, map[string]string{"captions_val.json": `{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "gone/b.jpg"}], "annotations": []}`, "a.jpg": "A"})
	_, err := Open("x", dir, []string{"captions_val.json"})
	if err == nil || !strings.Contains(err.Error(), "1 of 2 pictures are not in "+dir+": gone/b.jpg: not there; put them there, in any folder") {
		t.Errorf("error %v", err)
	}
}

// TestFindsPictures where people put them, links to other disks included.
func TestFindsPictures(t *testing.T) {
	other := put(t, map[string]string{"a.jpg": "linked"})
	for name, c := range map[string]struct {
		files       map[string]string
		named, want string
	}{
		"beside":             {map[string]string{"a.jpg": "beside"}, "a.jpg", "beside"},
		"in a folder":        {map[string]string{"images/train2017/a.jpg": "deep"}, "a.jpg", "deep"},
		"of this split":      {map[string]string{"train2017/a.jpg": "train", "val2017/a.jpg": "valid"}, "a.jpg", "train"},
		"with its folder":    {map[string]string{"data/val2014/a.jpg": "val", "data/train2014/a.jpg": "train"}, "val2014/a.jpg", "val"},
		"Windows":            {map[string]string{"val2014/a.jpg": "val", "train2014/a.jpg": "train"}, `val2014\a.jpg`, "val"},
		"another folder":     {map[string]string{"pictures/a.jpg": "moved"}, "val2014/a.jpg", "moved"},
		"behind a link":      {nil, "a.jpg", "linked"},
		"hidden passed over": {map[string]string{".thumbs/a.jpg": "thumb", "x/a.jpg": "right"}, "a.jpg", "right"},
	} {
		dir := put(t, c.files)
		if c.files == nil {
			if err := os.Symlink(other, filepath.Join(dir, "train2017")); err != nil {
				t.Fatal(err)
			}
		}
		annotations := fmt.Sprintf(`{"images": [{"id": 5, "file_name": %q}], "annotations": [{"id": 9, "image_id": 5, "caption": "x"}]}`, c.named)
		if err := os.WriteFile(filepath.Join(dir, "captions_train2017.json"), []byte(annotations), 0o644); err != nil {
			t.Fatal(err)
		}
		splits, err := Open("x", dir, []string{"captions_train2017.json"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := splits[0].Image(5); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, error %v", name, got, err)
		}
	}
}

func TestTwoFilesOfOneSplit(t *testing.T) {
	one := `{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, "image_id": 1, "caption": "x"}]}`
	dir := put(t, map[string]string{"captions_train2014.json": one, "captions_train2017.json": one, "a.jpg": "A"})
	_, err := Open("x", dir, []string{"captions_train2014.json", "captions_train2017.json"})
	if !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), "captions_train2017.json is of the split train, and so is captions_train2014.json; keep one of them") {
		t.Errorf("error %v", err)
	}
}

func TestFind(t *testing.T) {
	want := []string{"annotations/captions_train2017.json", "coco_karpathy_val.json", "dataset_coco.json", "dataset_flickr30k.json", "flickr30k_test.json"}
	got := Find(append(want, "annotations/instances_train2017.json", "dataset_infos.json", "dataset_dict.json", "dataset_info.json", "coco_karpathy_val_gt.json", "00000.json", "config.json", "captions.json", "captions_x.jsonl"))
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestLongElement ends with an error when it is too long, not when memory is.
func TestLongElement(t *testing.T) {
	long := io.MultiReader(strings.NewReader(`{"images": [{"id": "`), io.LimitReader(letters{}, 1<<30))
	if err := read(long, func(string, *element) error { return nil }); !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), "an element longer than 1 MiB") {
		t.Errorf("error %v", err)
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

// FuzzRead reads a file into a split; whatever it is, errors say that the format is wrong.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/broken/*.json", "../shape/testdata/coco/annotations/*.json", "../shape/testdata/karpathy/*.json", "../shape/testdata/lists/*.json"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &part{from: "captions_train.json", at: make(map[string]int)}
		err := read(bytes.NewReader(data), func(list string, e *element) error {
			switch list {
			case "images":
				return p.addPicture("fuzz", e)
			case "annotations":
				return p.addAnnotation("fuzz", e)
			}
			return p.addListed("fuzz", e)
		})
		if err == nil {
			found := &pictures{make(map[string]string), make(map[string]string), make(map[string]string)}
			for _, x := range p.pictures {
				found.byName[filepath.Base(x.path)] = "a.jpg"
			}
			var s *shape.Split
			if s, err = p.split("fuzz", "train", t.TempDir(), found); err == nil {
				err = s.Done()
			}
			if err == nil && (len(s.Texts()) != len(p.captions) || len(s.ImageIDs()) != len(p.pictures)) {
				t.Fatalf("%d captions of %d, %d pictures of %d", len(s.Texts()), len(p.captions), len(s.ImageIDs()), len(p.pictures))
			}
		}
		if err != nil && !errors.Is(err, shape.ErrFormat) {
			t.Fatalf("error %v is not ErrFormat", err)
		}
	})
}
