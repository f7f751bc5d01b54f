// Package captions reads files that say what is on pictures, in the forms that people have them. Where the pictures lie is not its matter.
//
//	lines, err := captions.Read("photos/captions.csv", file) // {Image: "红/1.jpg", Text: "一件红色的大衣", Line: 2}, …
//
// The end of the name says the form:
//
//	.csv .tsv .txt   a header line, then a line for each caption; separated by commas, tabs or semicolons, whichever the header is
//	.jsonl .ndjson   an object on each line: {"file_name": "红/1.jpg", "text": "一件红色的大衣"}
//	.json            a list of such objects, or one object of paths and captions: {"红/1.jpg": ["一件红色的大衣", "大衣"]}
//
// The picture's column, or field, is one of [ImageNames], the caption's one of [TextNames], the split's, which may be absent, one of
// [SplitNames]; case and surrounding space do not count, and others are passed over. A caption may be a list of captions: in JSON, or in a cell
// as JSON or Python writes it, ["一件大衣", '红色的大衣'].
//
// Quotation marks are those of CSV where they are in order, and stand for themselves where they are not: 24" 显示器, "复古"外套. Only one that
// opens in a file with commas or semicolons and never closes is an error. Lines without anything in them are passed over.
//
// # Limits and errors
//
// Files are UTF-8, with or without a byte order mark; of another encoding the error says which it is and how to convert it. A record has at most
// [MaxRecord] bytes. What is wrong with the bytes is an [*Error] with name and line: it lists the first 20 bad lines and counts the others, so that a file
// is put right in one go.
package captions

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// MaxRecord bounds a caption with what belongs to it, in bytes.
const MaxRecord = 1 << 20

// The names of columns and fields that are read, in order of preference.
var (
	ImageNames = []string{"image", "image_id", "file", "file_name", "filename", "path", "filepath", "image_path", "image_name", "image_file", "img", "img_path", "图片", "图片名", "文件名", "路径"}
	TextNames  = []string{"caption", "text", "title", "sentence", "captions", "texts", "sentences", "description", "comment", "描述", "说明", "标题", "文本"}
	SplitNames = []string{"split"}
)

// Splits are the names that a split goes by, in files and in columns.
var Splits = map[string][]string{
	"train": {"train", "training"},
	"valid": {"valid", "val", "dev", "validation"},
	"test":  {"test", "testing"},
}

// Split is train, valid or test for a name that a split goes by; ok is false for any other.
func Split(name string) (split string, ok bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for split, names := range Splits {
		if slices.Contains(names, name) {
			return split, true
		}
	}
	return "", false
}

var endings = []string{".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json"}

// HasEnding says whether a file's name ends like those that Read reads, in any case.
func HasEnding(name string) bool { return slices.Contains(endings, strings.ToLower(path.Ext(name))) }

// Caption is one caption of one picture.
type Caption struct {
	Image string // its path as the file has it, with slashes
	Text  string
	Split string // train, valid or test; "" in all of a file that says nothing of splits
	Line  int
}

// Read reads captions in file order; name says the form, and is for messages.
func Read(name string, r io.Reader) ([]Caption, error) {
	f := &file{Faults: Faults{Name: name}}
	in := &Budget{R: r, Left: MaxRecord, Err: errLong}
	text := bufio.NewReaderSize(in, 4096)
	if err := f.begin(text); err != nil {
		return nil, err
	}
	var read func(*Budget, *bufio.Reader) error
	switch ending := strings.ToLower(path.Ext(name)); {
	case !HasEnding(name):
		return nil, f.bad(0, "captions are read from %s, not %q", strings.Join(endings, " "), ending)
	case ending == ".json", strings.Contains(ending, "json") && startsWith(text, '['):
		read = f.document
	case strings.Contains(ending, "json"):
		read = f.jsonLines
	default:
		read = f.separated
	}
	if err := read(in, text); err != nil {
		return nil, err
	}
	f.checkSplits()
	if err := f.Err(""); err != nil {
		return nil, err
	}
	if len(f.captions) == 0 {
		return nil, &Error{name + " has no captions"}
	}
	return f.captions, nil
}

// Lines reads the captions of one picture: each line that is not blank is one.
func Lines(name string, r io.Reader) ([]string, error) {
	f := &file{Faults: Faults{Name: name}}
	data, err := io.ReadAll(io.LimitReader(r, MaxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > MaxRecord {
		return nil, f.bad(0, "more than %d MiB; it should hold the captions of one picture", MaxRecord>>20)
	}
	text := bufio.NewReader(bytes.NewReader(data))
	if err := f.begin(text); err != nil {
		return nil, err
	}
	rest, _ := io.ReadAll(text) // memory does not fail
	var texts []string
	for i, line := range bytes.Split(rest, []byte("\n")) {
		if problem := NotUTF8(name, line); problem != "" {
			return nil, f.bad(i+1, "%s", problem)
		}
		if line := strings.TrimSpace(string(line)); line != "" {
			texts = append(texts, line)
		}
	}
	return texts, nil
}

// file is a caption file while it is read.
type file struct {
	Faults
	captions []Caption
}

// add takes one record, which may be at fault. An empty record, as spreadsheets leave them, is none.
func (f *file) add(line int, image, split string, texts []string) {
	image = strings.TrimSpace(image)
	texts = slices.Clone(texts)
	for i, text := range texts {
		texts[i] = strings.TrimSpace(text)
	}
	blank := !slices.ContainsFunc(texts, func(text string) bool { return text != "" })
	split = strings.TrimSpace(split)
	if image == "" && blank && split == "" {
		return
	}
	image = path.Clean(strings.ReplaceAll(image, `\`, "/"))
	if image == "." {
		f.Add(line, "no picture named")
		return
	}
	if blank || slices.Contains(texts, "") {
		f.Add(line, "no caption for "+image)
		return
	}
	if split != "" {
		name, ok := Split(split)
		if !ok {
			f.Add(line, fmt.Sprintf("split %.40q; want train, valid (or val, dev, validation) or test", split))
			return
		}
		split = name
	}
	for _, text := range texts {
		f.captions = append(f.captions, Caption{image, text, split, line})
	}
}

// checkSplits finds captions without a split where others have one.
func (f *file) checkSplits() {
	if !slices.ContainsFunc(f.captions, func(c Caption) bool { return c.Split != "" }) {
		return
	}
	for _, c := range f.captions {
		if c.Split == "" {
			f.Add(c.Line, fmt.Sprintf("no split for %s, and other lines have one; want train, valid or test", c.Image))
		}
	}
}

// startsWith tells whether the first byte that is no space is c, without reading it.
func startsWith(text *bufio.Reader, c byte) bool {
	start, _ := text.Peek(64)
	start = bytes.TrimSpace(start)
	return len(start) > 0 && start[0] == c
}

var errLong = fmt.Errorf("record longer than %d MiB; a quotation mark is probably not closed", MaxRecord>>20)

// failed is the error of a read on this line.
func (f *file) failed(line int, err error) error {
	if errors.Is(err, errLong) {
		return f.bad(line, "%v", err)
	}
	return fmt.Errorf("reading %s:%d: %w", f.Name, line, err)
}
