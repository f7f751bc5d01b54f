package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// someFolder makes small pictures at the paths, each of its own colour.
func someFolder(t testing.TB, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, p := range paths {
		putPicture(t, dir, p, 40, 40, i)
	}
	return dir
}

func putPicture(t testing.TB, dir, name string, width, height, shade int) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	m.Set(0, 0, color.RGBA{uint8(shade), uint8(shade >> 8), 7, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	put(t, dir, name, b.String())
}

func put(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFolder(t *testing.T) {
	for name, file := range map[string]string{
		"captions.csv":   "\ufeffFile_Name , other,Text\r\nb.png,1,\"一只狗, 在跑\"\r\n红/a.PNG,2,一只猫\r\n红\\a.PNG,3,另一只猫\r\na.PNG,4,还是猫\r\n",
		"captions.tsv":   "path\tcaption\nb.png\t一只狗, 在跑\n红/a.PNG\t一只猫\n./红/a.PNG\t另一只猫\na.PNG\t还是猫\n",
		"metadata.jsonl": "\ufeff{\"file_name\": \"b.png\", \"text\": \"一只狗, 在跑\", \"extra\": [1]}\n{\"image\": \"红/a.PNG\", \"caption\": \"一只猫\"}\n{\"file\": \"红/a.PNG\", \"title\": \"另一只猫\"}\n{\"path\": \"a.PNG\", \"sentence\": \"还是猫\"}",
	} {
		dir := someFolder(t, "b.png", "红/a.PNG", "红/alone.png", ".hidden/x.png")
		put(t, dir, name, file)
		put(t, dir, "notes.txt", "not a picture")
		d, err := OpenFolder(dir, "", FolderSplit{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []Pair{{1, 1, "一只狗, 在跑"}, {2, 2, "一只猫"}, {2, 3, "另一只猫"}, {2, 4, "还是猫"}}
		if got := Pairs(d.Train); !slices.Equal(got, want) || !slices.Equal(d.Train.ImageIDs(), []int64{1, 2, 3}) || d.Valid != nil {
			t.Errorf("%s: pairs %v, pictures %v", name, got, d.Train.ImageIDs())
		}
		file, err := os.ReadFile(filepath.Join(dir, "红/a.PNG"))
		if got, imageErr := d.Train.Image(2); err != nil || imageErr != nil || !bytes.Equal(got, file) {
			t.Errorf("%s: picture 2 differs, errors %v, %v", name, err, imageErr)
		}
		d.Close()
	}
}

// TestFolderSplit keeps the captions of a picture together and writes the result in the reference's layout.
func TestFolderSplit(t *testing.T) {
	var paths []string
	captions := "image,caption\n"
	for i := range 20 {
		paths = append(paths, fmt.Sprintf("%02d.png", i))
		captions += fmt.Sprintf("%02d.png,第%d张\n%02d.png,又是第%d张\n", i, i, i, i)
	}
	dir := someFolder(t, append(paths, "uncaptioned.png")...)
	put(t, dir, "captions.csv", captions)
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if train, valid := d.Train.ImageIDs(), d.Valid.ImageIDs(); len(train) != 17 || len(valid) != 4 || len(Pairs(d.Train)) != 32 || len(Pairs(d.Valid)) != 8 {
		t.Errorf("%d pictures and %d pairs for training, %d and %d for validation", len(train), len(Pairs(d.Train)), len(valid), len(Pairs(d.Valid)))
	}
	if !slices.Contains(d.Train.ImageIDs(), 21) {
		t.Error("the picture without a caption is not in the training split")
	}
	for _, id := range d.Valid.ImageIDs() {
		if slices.Contains(d.Train.ImageIDs(), id) {
			t.Errorf("picture %d is in both splits", id)
		}
		if _, err := d.Train.Image(id); !errors.Is(err, ErrNotFound) {
			t.Errorf("picture %d of valid is read from train: %v", id, err)
		}
	}
	again, err := OpenFolder(dir, filepath.Join(dir, "captions.csv"), DefaultSplit)
	if err != nil || !slices.Equal(again.Valid.ImageIDs(), d.Valid.ImageIDs()) {
		t.Errorf("the same seed parts otherwise (error %v)", err)
	}
	again.Close()
	out := t.TempDir()
	if err := WriteTSV(d.Valid, filepath.Join(out, "valid_imgs.tsv"), filepath.Join(out, "valid_texts.jsonl")); err != nil {
		t.Fatal(err)
	}
	written, err := Open(out)
	if err != nil || !slices.Equal(Pairs(written.Valid), Pairs(d.Valid)) {
		t.Errorf("written and read: error %v", err)
	}
	written.Close()
	if _, err := OpenFolder(dir, "", FolderSplit{Valid: 1}); err == nil || !strings.Contains(err.Error(), "want 0 to below 1") {
		t.Errorf("a share of 1: error %v", err)
	}
}

func TestFolderWithoutPictures(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "captions.csv"), []byte("image,caption\na.png,猫\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(dir, "", FolderSplit{}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "no pictures") {
		t.Errorf("no pictures: error %v", err)
	}
}

func TestBrokenCaptionFiles(t *testing.T) {
	dir := someFolder(t, "a.png", "b.png")
	for name, want := range map[string]string{
		"unclosed-quote.csv":         `:2: extraneous or missing " in quoted-field`,
		"no-header.csv":              ":1: the columns are a.png, 一只猫; want one of image,",
		"three-fields.csv":           ":2: wrong number of fields",
		"no-caption.csv":             ":2: no caption for a.png",
		"no-picture.csv":             ":2: no picture named",
		"outside.csv":                ":2: ../../etc/passwd is not among the 2 pictures",
		"unknown-picture.csv":        ":3: c.png is not among the 2 pictures",
		"gbk.csv":                    ":2: not UTF-8; save the file as UTF-8",
		"utf-16.csv":                 ":1: UTF-16; save the file as UTF-8",
		"empty.csv":                  ":1: empty; want a header line",
		"only-header.csv":            "has no captions",
		"caption-not-a-string.jsonl": ":1: caption must be a string, not 5",
		"no-caption.jsonl":           ":1: no field caption, text",
		"not-json.jsonl":             ":1: not a JSON object",
		"null-image.jsonl":           ":1: image must be a string, not null",
	} {
		path := filepath.Join("testdata/broken/captions", name)
		_, err := OpenFolder(dir, path, FolderSplit{})
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want ErrFormat with the path and %q", name, err, want)
		}
	}
	long := filepath.Join(t.TempDir(), "long.csv")
	if err := os.WriteFile(long, []byte("image,caption\na.png,\""+strings.Repeat("字", maxTextLine)), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{long: ":2: record longer than 1 MiB", "captions.xlsx": "caption file captions.xlsx", "": "none of captions.csv"} {
		if _, err := OpenFolder(dir, path, FolderSplit{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	if _, err := OpenFolder(filepath.Join(dir, "absent"), long, FolderSplit{}); err == nil {
		t.Error("an absent folder was opened")
	}
}

func TestFolderPictureTroubles(t *testing.T) {
	dir := someFolder(t, "a.png", "b.png", "c.png")
	outside := filepath.Join(t.TempDir(), "secret.png")
	put(t, filepath.Dir(outside), "secret.png", "secret")
	put(t, dir, "b.png", "")
	if err := errors.Join(os.Remove(filepath.Join(dir, "c.png")), os.Symlink(outside, filepath.Join(dir, "c.png"))); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "captions.csv", "image,caption\na.png,猫\nb.png,狗\nc.png,鱼\n")
	d, err := OpenFolder(dir, "", FolderSplit{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Remove(filepath.Join(dir, "a.png")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Train.Image(1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a picture that was deleted: error %v", err)
	}
	if _, err := d.Train.Image(2); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "b.png: dataset: bad format: an empty file") {
		t.Errorf("an empty file: error %v", err)
	}
	if data, err := d.Train.Image(3); err == nil {
		t.Errorf("a link out of the folder was read: %q", data)
	}
}
