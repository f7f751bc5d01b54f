package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/dataset/captions"
)

// userFolder has twelve pictures as a user named them, and the caption file of a case that users brought.
func userFolder(t *testing.T, name string) string {
	t.Helper()
	var pictures []string
	for i := range 12 {
		pictures = append(pictures, fmt.Sprintf("%02d.jpg", i))
	}
	dir := someFolder(t, pictures...)
	if name != "" {
		if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata/cases", name))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func fails(t *testing.T, dir string, wants ...string) {
	t.Helper()
	d, err := Open(dir)
	if err == nil {
		d.Close()
	}
	for _, want := range wants {
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// allTexts are the captions of all splits by the paths of their pictures.
func allTexts(t *testing.T, dir string) map[string][]string {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	of := map[string][]string{}
	for _, s := range d.splits() {
		if *s.source == nil {
			continue
		}
		for _, text := range (*s.source).Texts() {
			if _, err := (*s.source).Image(text.ImageIDs[0]); err != nil {
				t.Error(err)
			}
			name := Label(*s.source, text.ImageIDs[0])
			of[name] = append(of[name], text.Text)
		}
	}
	return of
}

// Files that users brought and that are read.
func TestCasesThatAreRead(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"csv-tabs":        {"03.jpg": "第3张彩色图案", "11.jpg": "第11张彩色图案"},
		"csv-excel-blank": {"11.jpg": "第11张彩色图案"},
		"tsv-quotes":      {"02.jpg": `24" 显示器`, "05.jpg": `"大号"外套`, "11.jpg": "第11张彩色图案"},
		"jsonl-extra":     {"00.jpg": "第0张彩色图案"},
		"csv-one-jfif":    {"03.jfif": "第3张彩色图案", "04.jpg": "第4张彩色图案"},
	} {
		dir := userFolder(t, name)
		if name == "csv-one-jfif" {
			if err := os.Rename(filepath.Join(dir, "03.jpg"), filepath.Join(dir, "03.jfif")); err != nil {
				t.Fatal(err)
			}
		}
		got := allTexts(t, dir)
		if len(got) != 12 {
			t.Errorf("%s: %d pictures have captions", name, len(got))
		}
		for picture, text := range want {
			if !slices.Equal(got[picture], []string{text}) {
				t.Errorf("%s: %s is %q, want %q", name, picture, got[picture], text)
			}
		}
	}
}

func TestCaseTxtBeside(t *testing.T) {
	dir := userFolder(t, "")
	for i := range 12 {
		put(t, dir, fmt.Sprintf("%02d.txt", i), fmt.Sprintf("\ufeff第%d张\r\n\r\n又是第%d张\n", i, i))
	}
	if got := allTexts(t, dir); len(got) != 12 || !slices.Equal(got["07.jpg"], []string{"第7张", "又是第7张"}) {
		t.Errorf("%q", got)
	}
	put(t, dir, "03.txt", " \n")
	put(t, dir, "05.txt", "")
	fails(t, dir, dir+": no caption in 03.txt; no caption in 05.txt (2 faults in all)")
	put(t, dir, "03.txt", "\xd2\xbb\xcc\xf5\xb9\xb7")
	fails(t, dir, filepath.Join(dir, "03.txt")+":1: not UTF-8; save the file as UTF-8: it looks like GBK", "一条狗", "iconv -f GB18030 -t UTF-8 03.txt")
}

func TestCaseMissing(t *testing.T) {
	dir := userFolder(t, "csv-missing")
	if err := errors.Join(os.Remove(filepath.Join(dir, "04.jpg")), os.Remove(filepath.Join(dir, "09.jpg"))); err != nil {
		t.Fatal(err)
	}
	fails(t, dir, "captions.csv:6: 04.jpg is not among the 10 pictures", "line 11: 09.jpg", "(2 faults in all)", "in "+dir)
	many := "image,caption\n"
	for i := range 50 {
		many += fmt.Sprintf("absent%d.jpg,猫\n", i)
	}
	put(t, dir, "captions.csv", many)
	fails(t, dir, "captions.csv:2: absent0.jpg", "line 21: absent19.jpg", "; … (50 faults in all)")
	if _, err := Open(dir); strings.Contains(err.Error(), "absent20.jpg") {
		t.Error(err)
	}
}

func TestCaseEmptyCaptions(t *testing.T) {
	fails(t, userFolder(t, "csv-empty"), "captions.csv:5: no caption for 03.jpg; line 9: no caption for 07.jpg (2 faults in all)")
}

func TestCaseTwoPicturesOfOneName(t *testing.T) {
	dir := userFolder(t, "dup-names")
	putPicture(t, dir, "a/x.jpg", 40, 40, 50)
	putPicture(t, dir, "b/x.jpg", 40, 40, 51)
	fails(t, dir, "captions.csv:4: 2 pictures have the name x.jpg, a/x.jpg and b/x.jpg: give the path")
	put(t, dir, "captions.csv", "image,caption\nb/x.jpg,红\n")
	if got := allTexts(t, dir); got["b/x.jpg"] == nil {
		t.Errorf("%q", got)
	}
}

// Links to pictures beside the folder are followed; what is no picture, no regular file or nowhere is not.
// fault 45
func TestCaseLinks(t *testing.T) {
	src, dir := filepath.Join(t.TempDir(), "src"), t.TempDir()
	if err := os.CopyFS(src, os.DirFS(userFolder(t, ""))); err != nil {
		t.Fatal(err)
	}
	toSrc, err := filepath.Rel(dir, src)
	if err != nil {
		t.Fatal(err)
	}
	list := "image,caption\n"
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		name := fmt.Sprintf("%02d.jpg", i)
		link(filepath.Join(toSrc, name), name)
		list += name + ",第一张\n"
	}
	put(t, dir, "captions.csv", list)
	if got := allTexts(t, dir); len(got) != 12 {
		t.Errorf("%q", got)
	}
	p, err := OpenPictures(dir)
	if err != nil || len(p.ImageIDs()) != 12 {
		t.Fatalf("%v pictures, error %v", p, err)
	}
	p.Close()

	secret := filepath.Join(t.TempDir(), "id_rsa")
	put(t, filepath.Dir(secret), "id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----")
	link("loop.jpg", "loop.jpg")
	link("nowhere.jpg", "dangling.jpg")
	link(secret, "secret.jpg")
	link("/dev/zero", "device.jpg")
	link(dir, "folder.jpg")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.jpg"), 0o600); err != nil {
		t.Fatal(err)
	}
	link("pipe.jpg", "to-pipe.jpg")
	d, err := OpenFolder(dir, "", FolderSplit{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	listed := map[string]error{}
	for _, id := range d.Train.ImageIDs() {
		_, err := d.Train.Image(id)
		listed[Label(d.Train, id)] = err
	}
	for _, name := range []string{"device.jpg", "folder.jpg", "pipe.jpg", "to-pipe.jpg"} {
		if _, ok := listed[name]; ok {
			t.Errorf("%s is listed", name)
		}
	}
	if len(listed) != 15 || !errors.Is(listed["dangling.jpg"], fs.ErrNotExist) || !errors.Is(listed["loop.jpg"], syscall.ELOOP) || !errors.Is(listed["secret.jpg"], ErrFormat) {
		t.Error(listed)
	}
}

// A link to a folder is said where its pictures are missed.
// fault 45
func TestLinkToFolder(t *testing.T) {
	src, dir := userFolder(t, ""), someFolder(t, "a.jpg")
	if err := os.Symlink(src, filepath.Join(dir, "images")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "captions.csv", "image,caption\na.jpg,猫\nimages/00.jpg,狗\n")
	fails(t, dir, "captions.csv:3: images/00.jpg is not among the 1 pictures", "links to folders are not followed, and images is one")
}

func TestAbsolutePaths(t *testing.T) {
	dir := userFolder(t, "")
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(dir, alias); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "captions.csv", "image,caption\n"+filepath.Join(dir, "00.jpg")+",猫\n"+filepath.Join(alias, "01.jpg")+",狗\n")
	for _, opened := range []string{dir, alias} {
		if got := allTexts(t, opened); len(got) != 2 || got["00.jpg"] == nil || got["01.jpg"] == nil {
			t.Errorf("%s: %q", opened, got)
		}
	}
	put(t, dir, "captions.csv", "image,caption\n/elsewhere/00.jpg,猫\n")
	fails(t, dir, "captions.csv:2: /elsewhere/00.jpg is not among")
}

// val_imgs.tsv is how others call the reference's valid_imgs.tsv.
func TestCaseValName(t *testing.T) {
	for _, name := range captions.Splits["valid"] {
		dir := t.TempDir()
		put(t, dir, "train_imgs.tsv", goodImages)
		put(t, dir, "train_texts.jsonl", goodTexts)
		put(t, dir, name+"_imgs.tsv", goodImages)
		put(t, dir, name+"_texts.jsonl", goodTexts)
		d, err := Open(dir)
		if err != nil || d.Valid == nil {
			t.Fatalf("%s: %v, error %v", name, d, err)
		}
		if s, err := d.Split("valid"); err != nil || s != d.Valid {
			t.Errorf("%s: %v, error %v", name, s, err)
		}
		d.Close()
		if name != "valid" {
			put(t, dir, "valid_imgs.tsv", goodImages)
			put(t, dir, "valid_texts.jsonl", goodTexts)
			fails(t, dir, "has the valid split twice, also under the name "+name)
		}
	}
}

// b'…' is what str() makes of bytes, of a picture or of its base64.
func TestCaseHexBytes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "train_imgs.tsv", "1\tQUJD\n2\tb'/9j/4AAQ'\n")
	put(t, dir, "train_texts.jsonl", goodTexts)
	fails(t, dir, "train_imgs.tsv:2: ", "Python's str() of bytes was written")
	s := onePicture(t, `b'\xff\xd8\xff'`)
	if _, err := s.Image(1); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "one.tsv:1: ") || !strings.Contains(err.Error(), "str() of bytes") {
		t.Error(err)
	}
}

// A caption file of any name may be given in place of the folder.
func TestOpenCaptionFile(t *testing.T) {
	dir := userFolder(t, "")
	put(t, dir, "图片说明.TSV", "image\tcaption\n00.jpg\t猫\n")
	path := filepath.Join(dir, "图片说明.TSV")
	if got := allTexts(t, path); len(got) != 1 || got["00.jpg"] == nil {
		t.Errorf("%q", got)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	at, ok := LocationOf(d.Train)
	if s, err := at.Open(); !ok || err != nil || !slices.Equal(Pairs(s), Pairs(d.Train)) {
		t.Errorf("%+v, error %v", at, err)
	} else {
		s.Close()
	}
	put(t, dir, "train_texts.jsonl", goodTexts)
	fails(t, filepath.Join(dir, "train_texts.jsonl"), "is a file; want the folder")
}

// A column split parts a folder, with a test split if it says so.
func TestSplitColumn(t *testing.T) {
	dir := userFolder(t, "")
	put(t, dir, "captions.csv", "image;caption;Split\n00.jpg;红;train\n01.jpg;绿;dev\n02.jpg;红;test\n03.jpg;蓝;Training\n04.jpg;黄;val\n00.jpg;又红;train\n")
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if len(Pairs(d.Train)) != 3 || len(Pairs(d.Valid)) != 2 || len(Pairs(d.Test)) != 1 || len(d.Train.ImageIDs()) != 9 || !slices.Equal(d.Test.ImageIDs(), []int64{3}) {
		t.Errorf("%v", d)
	}
	if d.ReportSplit() != d.Test {
		t.Error("results are not of the test split")
	}
	put(t, dir, "captions.csv", "image,caption,split\n00.jpg,红,train\n01.jpg,绿,test\n00.jpg,又红,test\n")
	fails(t, dir, "captions.csv:4: 00.jpg is in test here, and in train on line 2")
	put(t, dir, "captions.csv", "image,caption,split\n00.jpg,红,train\n01.jpg,绿,\n02.jpg,绿,hold-out\n")
	fails(t, dir, `captions.csv:4: split "hold-out"; want train, valid`, "line 3: no split for 01.jpg")
	put(t, dir, "captions.csv", "image,caption,split\n00.jpg,红,test\n")
	only, err := Open(dir)
	if err != nil || only.Train != nil || only.Valid != nil || only.Test == nil {
		t.Fatalf("%v, error %v", only, err)
	}
	only.Close()
}

// Equal captions stay on one side of the product's own split, as long as there is enough for both sides.
func TestSplitKeepsEqualCaptionsTogether(t *testing.T) {
	var paths []string
	list := "image,caption\n"
	for i := range 100 {
		paths = append(paths, fmt.Sprintf("%03d.png", i))
		list += fmt.Sprintf("%03d.png,第%d组\n%03d.png,第%d张的样子\n", i, i/3, i, i/2)
	}
	dir := someFolder(t, paths...)
	put(t, dir, "captions.csv", list)
	leaks := func() (n, valid int) {
		d, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		trained := map[string]bool{}
		for _, text := range d.Train.Texts() {
			trained[strings.ToLower(text.Text)] = true
		}
		for _, text := range d.Valid.Texts() {
			if trained[strings.ToLower(text.Text)] {
				n++
			}
		}
		return n, len(d.Valid.ImageIDs())
	}
	if n, valid := leaks(); n > 0 || valid < 10 || valid > 20 {
		t.Errorf("%d captions of valid are in train, %d pictures in valid", n, valid)
	}
	stock := list
	for i := range 70 {
		stock += fmt.Sprintf("%03d.png,包邮\n", i)
	}
	put(t, dir, "captions.csv", stock)
	if n, valid := leaks(); n > 0 || valid < 10 || valid > 20 {
		t.Errorf("with a stock phrase on 70 of 100: %d captions of valid are in train, %d pictures in valid", n, valid)
	}
	for i := 70; i < 100; i++ {
		stock += fmt.Sprintf("%03d.png,包邮\n", i)
	}
	put(t, dir, "captions.csv", stock)
	if n, valid := leaks(); n != valid || valid < 10 || valid > 20 {
		t.Errorf("with a stock phrase on all: %d captions of valid are in train, %d pictures in valid; only the phrase should be on both sides", n, valid)
	}
	classes := "image,caption\n"
	for i := range 100 {
		classes += fmt.Sprintf("%03d.png,%s\n", i, []string{"猫", "狗"}[i%2])
	}
	put(t, dir, "captions.csv", classes)
	if _, valid := leaks(); valid != 20 {
		t.Errorf("of class names: %d pictures in valid", valid)
	}
}

// What captions alone decide does not depend on the order of a map.
func TestSplitIsDeterministic(t *testing.T) {
	var texts []Text
	for i := range 300 {
		texts = append(texts, Text{ID: int64(i + 1), Text: fmt.Sprint(i * i % 97), ImageIDs: []int64{int64(i%120 + 1)}})
	}
	first := deal(texts, DefaultSplit)
	for range 20 {
		if again := deal(texts, DefaultSplit); !slices.Equal(first, again) {
			t.Fatalf("%v and %v", first, again)
		}
	}
	var b bytes.Buffer
	for _, id := range first {
		fmt.Fprint(&b, id, " ")
	}
	t.Log(b.String())
}
