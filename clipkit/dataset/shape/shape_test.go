package shape

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNameOf(t *testing.T) {
	for p, want := range map[string]string{
		"data/train-00000-of-00003.parquet":   "train",
		"annotations/captions_train2017.json": "train",
		"annotations/captions_val2014.json":   "valid",
		"validation/metadata.jsonl":           "valid",
		"dev/00000.tar":                       "valid",
		"TEST/00000.tar":                      "test",
		"default/test/0000.parquet":           "test",
		"train/of-the-test.parquet":           "test", // the file's own name counts first
		"restval":                             "train",
		"00000.tar":                           "",
		"constraints.parquet":                 "",
		"trainer.tar":                         "",
		"dataset_coco.json":                   "",
		"latest/00000.parquet":                "",
		"":                                    "",
	} {
		if got := NameOf(p); got != want {
			t.Errorf("%s is of %q, want %q", p, got, want)
		}
	}
}

func TestByName(t *testing.T) {
	of, err := ByName("set", []string{"00000.tar", "00001.tar"})
	if err != nil || !slices.Equal(of["train"], []string{"00000.tar", "00001.tar"}) {
		t.Errorf("%v, error %v", of, err)
	}
	of, err = ByName("set", []string{"train/0.tar", "val/0.tar", "val/1.tar"})
	if err != nil || len(of["train"]) != 1 || len(of["valid"]) != 2 {
		t.Errorf("%v, error %v", of, err)
	}
	if _, err = ByName("set", []string{"more/0.tar", "train/0.tar"}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "set: the name of more/0.tar says no split, and others there do; call it train-…") {
		t.Errorf("error %v", err)
	}
}

func TestList(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, p := range []string{"b.tar", "A.TAR", "x/c.tar", "x/y/z/d.tar", "x/y/z/w/too-deep.tar", ".cache/hidden.tar", ".hidden.tar", "e.txt", "folder.tar/f.tar"} {
		p = filepath.Join(dir, p)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.WriteFile(filepath.Join(other, "g.tar"), nil, 0o644), os.Symlink(other, filepath.Join(dir, "linked")), os.Symlink(filepath.Join(other, "g.tar"), filepath.Join(dir, "h.tar")),
		os.Symlink("nowhere", filepath.Join(dir, "broken.tar")), os.Symlink("..", filepath.Join(dir, "x", "y", "up")))
	if err != nil {
		t.Fatal(err)
	}
	got, err := List(dir, ".tar")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A.TAR", "b.tar", "folder.tar/f.tar", "h.tar", "linked/g.tar", "x/c.tar", "x/y/up/c.tar", "x/y/z/d.tar"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := List(filepath.Join(dir, "absent"), ".tar"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(p, []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Stat(p)
	if err != nil {
		t.Fatal(err)
	}
	in, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := os.Chtimes(p, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), p+" has changed since it was opened") {
		t.Errorf("error %v", err)
	}
	if _, err := Stat(filepath.Dir(p)); !errors.Is(err, ErrFormat) {
		t.Errorf("a folder: error %v", err)
	}
	if _, err := Stat(p + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestSplit(t *testing.T) {
	s := NewSplit("x", "train")
	s.Label = func(i int) string { return []string{"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"}[i] }
	s.Read = func(i int) ([]byte, error) {
		return [][]byte{[]byte("A"), {}, make([]byte, MaxPicture+1), nil}[i], map[bool]error{true: os.ErrPermission}[i == 3]
	}
	for _, id := range []int64{30, 10, 20, -5} {
		s.AddPicture(id)
	}
	s.AddText(7, "eins", 1)
	s.AddText(9, "zwei", 0)
	if err := s.Done(); err != nil {
		t.Fatal(err)
	}
	if texts := s.Texts(); texts[0].ImageIDs[0] != 10 || texts[1].ImageIDs[0] != 30 || cap(texts[0].ImageIDs) != 1 {
		t.Errorf("%v", texts)
	}
	if data, err := s.Image(30); err != nil || string(data) != "A" {
		t.Errorf("%q, error %v", data, err)
	}
	for id, want := range map[int64]error{10: ErrFormat, 20: ErrFormat, -5: os.ErrPermission, 31: ErrNotFound} {
		if _, err := s.Image(id); !errors.Is(err, want) || id != 31 && !strings.Contains(err.Error(), s.PathOf(id)) {
			t.Errorf("picture %d: error %v, want %v", id, err, want)
		}
	}
	if s.PathOf(10) != "b.jpg" || s.PathOf(11) != "" {
		t.Errorf("%q, %q", s.PathOf(10), s.PathOf(11))
	}
	s.AddPicture(30)
	s.AddText(8, "drei", 0)
	s.picture = []int32{1, 0, 0}
	if err := s.Done(); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "picture id 30 is that of a.jpg and of ") {
		t.Errorf("error %v", err)
	}
}

func TestLeftOut(t *testing.T) {
	var l LeftOut
	if l.String() != "" {
		t.Errorf("%q", &l)
	}
	for range 25 {
		l.Add("a.tar", "no caption")
	}
	if got := l.String(); !strings.HasPrefix(got, "25 samples left out: a.tar: no caption; ") || !strings.HasSuffix(got, "; …") || len(l.First) != 20 {
		t.Errorf("%q", got)
	}
	s := NewSplit("x", "valid")
	s.LeftOut = l
	if _, err := Finish(NewSplit("x", "train"), s, NewSplit("x", "test")); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "x/valid has no sample with a picture and a caption; 25 samples left out") {
		t.Errorf("error %v", err)
	}
}
