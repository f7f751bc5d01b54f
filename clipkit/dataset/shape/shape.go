// Package shape is what data sets of today's shapes have in common, whatever files they come in, and the page for a person who has data in
// another shape.
//
// # The shapes that dataset.Open knows
//
// It goes by what is in the folder, and tries them in this order:
//
//	{train,valid,test}_imgs.tsv and _texts.jsonl, or lmdb/{train,valid,test}     the reference's own (package dataset)
//	captions.csv, metadata.jsonl, … or a .txt beside each picture                dataset.OpenFolder, which parts it 80/20
//	{train,validation,test}/metadata.jsonl or .csv                               a Hugging Face imagefolder with its splits
//	data/train-00000-of-00003.parquet                                            Hugging Face parquet (package parquet)
//	00000.tar, train/00000.tar                                                   WebDataset, img2dataset (package webdataset)
//	annotations/captions_train2017.json, dataset_coco.json                       COCO, Karpathy (package coco)
//
// A folder with the files of two of the last four is ambiguous and refused: move one of them into a folder of its own.
//
// # Splits
//
// The name of a file says which split it belongs to, else that of its folder ([NameOf]): train, training; valid, validation, val, dev; test,
// testing; with what a number or a sign parts from it, as in captions_val2017.json and train-00000-of-00003.parquet. Where no file names a
// split, all are for training; move some into a folder called valid to validate on them.
//
// # Another shape
//
// Nothing needs to be written in Go. One of these takes a few lines of Python or none:
//
//   - Pictures in a folder, captions anywhere: write a captions.csv with the header image,caption beside them.
//   - A data set of the datasets library, on disk or from the hub, or its folder of .arrow files: load_from_disk(…) or load_dataset(…), then
//     ds["train"].to_parquet("mine/data/train-00000-of-00001.parquet"). Pictures must be inside the file: cast them with
//     datasets.Image(decode=False) and put the bytes in where only the path is set.
//   - Addresses of pictures in a table: img2dataset downloads them into shards that open as they are.
//   - Compressed shards (.tar.gz): gunzip them; what is compressed cannot be read from the middle.
//   - TFRecord, HDF5, zip archives, a database: write a tar with 000000.jpg and 000000.txt for each sample, with Python's tarfile; no framework
//     is needed.
//   - Numbered captions and pictures: the reference's tsv and jsonl, a line for each.
//   - Anything in a program of your own: dataset.Source is five methods; dataset.WriteTSV and dataset.WriteLMDB write one as the reference's
//     files, and the suite of package datasettest tells whether it keeps its promises.
//
// # What it costs
//
// Nothing is unpacked. Opening reads the captions, which stay in memory, and finds the pictures, which are read where they lie. A picture takes 8
// bytes, and where it is: 8 more in parquet, 16 in a tar, its path in COCO's. A caption takes 48 and its own (131 bytes a sample were measured in
// 100,000 samples of tars with captions of 36 bytes). The order of samples is that of the files by name and of what is in them, so the order of
// training is the same wherever the folder lies.
//
// # Bytes from outside
//
// A picture has at most [MaxPicture] bytes, a caption [MaxCaption], a split [MaxSamples] samples. A sample that lacks its picture or caption, or
// breaks these limits, is left out and counted ([LeftOut]); a damaged file is an error.
package shape

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/internal/regular"
)

// Errors of package dataset, which has them under the same names.
var (
	ErrFormat   = errors.New("dataset: bad format")
	ErrNotFound = errors.New("dataset: not found")
)

// Wrong makes what is wrong with a file's bytes an ErrFormat; what is wrong with the disk stays what it is, and may be tried again.
func Wrong(err error) error {
	if disk := (*fs.PathError)(nil); err == nil || errors.As(err, &disk) || errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// Limits on what a sample holds and on how many a split does.
const (
	MaxPicture = 64 << 20
	MaxCaption = 1 << 20
	MaxSamples = 1<<31 - 1
)

// NameOf tells which split a file belongs to by a word of its path that is a split's name, "" where none is. The file's own name counts before its
// folders'. Karpathy's restval is train.
func NameOf(p string) string {
	for ; p != "." && p != "/" && p != ""; p = path.Dir(p) {
		words := strings.FieldsFunc(strings.ToLower(path.Base(p)), func(r rune) bool { return r < 'a' || r > 'z' })
		for _, word := range words {
			if name, ok := captions.Split(word); ok {
				return name
			}
			if word == "restval" {
				return "train"
			}
		}
	}
	return ""
}

// ByName deals the files of the data set in dir to its splits. Where some name a split and others do not, nobody can tell what the others are for.
func ByName(dir string, files []string) (map[string][]string, error) {
	of := make(map[string][]string)
	for _, f := range files {
		of[NameOf(f)] = append(of[NameOf(f)], f)
	}
	unnamed := of[""]
	switch {
	case len(unnamed) == len(files):
		return map[string][]string{"train": files}, nil
	case len(unnamed) > 0:
		return nil, fmt.Errorf("%w: %s: the name of %s says no split, and others there do; call it train-…, valid-… or test-…, or take it away", ErrFormat, dir, unnamed[0])
	}
	return of, nil
}

// LeftOut is what was passed over: how many samples, and the first few with their reasons.
type LeftOut struct {
	Count int
	First []string
}

// Add counts a sample.
func (l *LeftOut) Add(place, reason string) {
	if l.Count++; len(l.First) < 20 {
		l.First = append(l.First, place+": "+reason)
	}
}

func (l *LeftOut) String() string {
	if l.Count == 0 {
		return ""
	}
	s := fmt.Sprintf("%d samples left out: %s", l.Count, strings.Join(l.First, "; "))
	if l.Count > len(l.First) {
		s += "; …"
	}
	return s
}

// Clean makes a caption of what a file holds; reason says why it is none.
func Clean(text string) (caption, reason string) {
	caption = strings.TrimSpace(text)
	switch {
	case caption == "":
		return "", "no caption"
	case len(caption) > MaxCaption:
		return "", fmt.Sprintf("a caption of %d bytes, want at most %d", len(caption), MaxCaption)
	case !utf8.ValidString(caption):
		return "", "the caption is not UTF-8; write it as UTF-8"
	}
	return caption, ""
}

// List gives the paths of files below dir that have one of the endings, sorted, with slashes, and looks at most three folders deep. Hidden ones
// are passed over; links are followed.
func List(dir string, endings ...string) ([]string, error) {
	var files []string
	var walk func(below string, depth int) error
	walk = func(below string, depth int) error {
		entries, err := os.ReadDir(path.Join(dir, below))
		if err != nil {
			return fmt.Errorf("looking for a data set: %w", err)
		}
		for _, e := range entries {
			name := path.Join(below, e.Name())
			wanted := slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(strings.ToLower(name), ending) })
			kind := e.Type()
			if kind&os.ModeSymlink != 0 {
				info, err := os.Stat(path.Join(dir, name))
				if err != nil {
					continue
				}
				kind = info.Mode().Type()
			}
			switch {
			case strings.HasPrefix(e.Name(), "."):
			case kind.IsDir() && depth > 0:
				if err := walk(name, depth-1); err != nil {
					return err
				}
			case kind.IsRegular() && wanted:
				files = append(files, name)
			}
		}
		return nil
	}
	err := walk("", 3)
	slices.Sort(files)
	return files, err
}

// File is one that is read in pieces later, and must be the same then. It is closed in between, since a set may have more shards than a process may
// have open files.
type File struct {
	Path     string
	Size     int64
	modified time.Time
}

// Stat notes how the file is now.
func Stat(p string) (File, error) {
	info, err := os.Stat(p)
	switch {
	case err != nil:
		return File{}, fmt.Errorf("opening data set: %w", err)
	case !info.Mode().IsRegular():
		return File{}, fmt.Errorf("%w: %s is no regular file", ErrFormat, p)
	}
	return File{p, info.Size(), info.ModTime()}, nil
}

// Open opens the file if it is as it was.
func (f File) Open() (*os.File, error) {
	in, err := regular.Open(f.Path)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil && (info.Size() != f.Size || !info.ModTime().Equal(f.modified)) {
		err = fmt.Errorf("%w: %s has changed since it was opened; leave it alone, and open the data set again", ErrFormat, f.Path)
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}
