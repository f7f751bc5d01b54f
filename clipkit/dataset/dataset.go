// Package dataset gives pictures with captions, in the order that contrastive training needs; package loader makes batches of them.
//
// A [Source] is one split. [Open] finds the splits of a set: the embedded one by the name "emoji", or a folder in one of these layouts. Any of
// train, valid and test may be absent; val, dev and validation are other names of valid.
//
//	{train,valid,test}_imgs.tsv      the reference's (the section on data preparation in its README): image id TAB base64 of the picture file
//	{train,valid,test}_texts.jsonl   {"text_id": 8057, "text": "皮卡丘", "image_ids": [301]}
//	lmdb/{train,valid,test}/{pairs,imgs}/data.mdb
//
//	captions.csv, .tsv, .txt, .json, .jsonl, or metadata.…   pictures in the folder and below it, and a file that names them ([OpenFolder],
//	                                 package captions): columns image and caption, and split where the splits are to be given
//	1.jpg, 1.txt, 2.jpg, 2.txt, …    pictures with a .txt beside each, every line of which is a caption
//	parquet, WebDataset, imagefolder, COCO's and Karpathy's JSON: package shape says how each looks, and what to do with data in yet another
//
// Without a column split a fifth of the pictures becomes valid.
//
//	data, err := dataset.Open("datasets/MUGE")
//	defer data.Close()
//	epoch, err := loader.New(ctx, data.Train, loader.Config{BatchSize: 128, Resolution: 224, Shuffle: true, Transform: f})
//
// [OpenPublished] knows MUGE, Flickr30k-CN and COCO-CN. [WriteTSV] and [WriteLMDB] write any source for the reference; [BuildLMDB] is its
// build_lmdb_dataset.py.
//
// A caption with several pictures becomes several pairs ([Pairs]); the order of pairs in an epoch is the reference's ([Order]).
// Before training, package check tells what will spoil it: duplicates, bad pictures, captions that say nothing, test pictures in train.
//
// # Errors
//
// Bytes that are not what the layout promises are [ErrFormat], with file and line or id; files, splits and ids that do not exist are
// [ErrNotFound]. Opening reads everything once, so that a long run does not meet a bad line in its third hour: ids must be integers
// and unique, and every image id of a caption must be among the pictures. Pictures are decoded only when they are asked for.
//
// # Limits on outside bytes
//
// A picture has at most 64 MiB, in base64 where it is stored so, and a caption with its ids 1 MiB. A tsv and an LMDB are indexed in one
// pass that keeps some 50 bytes a picture and are read in place afterwards; the captions are kept in memory. LMDB files are read by
// code that believes none of their numbers, not by the C library, which a damaged file ends together with the program; pickles are read
// without executing anything. A caption file cannot name pictures outside its folder; links that lead out of it are followed to pictures alone.
package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/dataset/folder"
	"clipnb/clipkit/dataset/shape"
	"clipnb/clipkit/internal/nearest"
)

// Errors to test for with errors.Is.
var (
	ErrFormat   = shape.ErrFormat
	ErrNotFound = shape.ErrNotFound
)

// Source is one split: pictures, captions and which belong together. Safe for concurrent reads; the slices that ImageIDs and Texts
// return belong to the source and must not be changed, the bytes that Image returns belong to the caller.
type Source interface {
	Name() string                   // such as "emoji/train", for messages
	ImageIDs() []int64              // in storage order
	Image(id int64) ([]byte, error) // the encoded picture file; ErrNotFound for an unknown id
	Texts() []Text                  // in file order
	Close() error
}

// Text is one caption.
type Text = shape.Text

// Dataset is a set of splits; those it does not have are nil.
type Dataset struct {
	Name               string
	Train, Valid, Test Source
	LeftOut            []string // what Open passed over: of a folder of pictures the files of other endings, of each split of package shape the samples and why
}

// split is a place for a split and the name that its files begin with.
type split struct {
	name   string
	source *Source
}

func (d *Dataset) splits() []split {
	return []split{{"train", &d.Train}, {"valid", &d.Valid}, {"test", &d.Test}}
}

// String names the splits with their sizes: "emoji: train 1202 pictures, 6010 texts; …".
func (d *Dataset) String() string {
	var parts []string
	for _, s := range d.splits() {
		if *s.source != nil {
			parts = append(parts, fmt.Sprintf("%s %d pictures, %d texts", s.name, len((*s.source).ImageIDs()), len((*s.source).Texts())))
		}
	}
	return d.Name + ": " + strings.Join(append(parts, d.LeftOut...), "; ")
}

// Close closes the splits.
func (d *Dataset) Close() error {
	var errs []error
	for _, s := range d.splits() {
		if *s.source != nil {
			errs = append(errs, (*s.source).Close())
		}
	}
	return errors.Join(errs...)
}

// Open opens the embedded set ("emoji"), a folder, or the caption file of a folder of pictures. A folder that happens to be called emoji is "./emoji".
//
// A split in lmdb/<split> is read from there, with the captions of the jsonl where that is beside it; a split without one from tsv and
// jsonl. val, dev and validation are other names of valid. A folder that has neither but one of [CaptionFiles], or a .txt beside a picture, is
// opened by [OpenFolder] with [DefaultSplit]; others by the shape of their files.
func Open(path string) (*Dataset, error) {
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	return d, d.locate(path)
}

func open(path string) (*Dataset, error) {
	if path == "emoji" {
		return openEmoji()
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		if p, ok := FindPublished(filepath.Base(path)); ok {
			return nil, p.missing(path)
		}
		return nil, fmt.Errorf("%w: %s; want a folder with {train,valid,test}_imgs.tsv and _texts.jsonl, or the name emoji for the embedded set%s", ErrNotFound, path, nearest.Hint(filepath.Base(path), append(PublishedNames(), "emoji")))
	case err != nil:
		return nil, fmt.Errorf("opening data set: %w", err)
	case !info.IsDir() && captions.HasEnding(path) && !strings.HasSuffix(path, "_texts.jsonl") && !strings.HasSuffix(path, "_imgs.tsv"):
		return OpenFolder(filepath.Dir(path), path, DefaultSplit)
	case !info.IsDir():
		return nil, fmt.Errorf("%w: %s is a file; want the folder that holds {train,valid,test}_imgs.tsv and _texts.jsonl, or a caption file among its pictures", ErrFormat, path)
	}
	d := &Dataset{Name: filepath.Base(path)}
	found := false
	for _, split := range d.splits() {
		for _, name := range captions.Splits[split.name] {
			s, err := openSplit(path, d.Name, split.name, name)
			if err == nil && s != nil && *split.source != nil {
				err = errors.Join(fmt.Errorf("%w: %s has the %s split twice, also under the name %s; take one of them away", ErrFormat, path, split.name, name), s.Close())
			}
			if err != nil {
				d.Close()
				return nil, err
			}
			if s != nil {
				*split.source, found = s, true
			}
		}
	}
	switch {
	case found:
		return d, nil
	case findCaptionFile(path) != "" || folder.HasTexts(path):
		return OpenFolder(path, "", DefaultSplit)
	}
	return d, d.openShape(path)
}

// openSplit opens a split under one of the names that its files may have, and gives nil where there are none.
func openSplit(dir, name, split, alias string) (Source, error) {
	imgs, texts := filepath.Join(dir, alias+"_imgs.tsv"), filepath.Join(dir, alias+"_texts.jsonl")
	lmdb := filepath.Join(dir, "lmdb", alias)
	switch {
	case exists(lmdb) && exists(texts):
		return OpenLMDB(name+"/"+split, lmdb, texts)
	case exists(lmdb):
		return OpenLMDB(name+"/"+split, lmdb, "")
	case exists(imgs) || exists(texts):
		return OpenTSV(name+"/"+split, imgs, texts)
	}
	return nil, nil
}

// Contents is the line that the reference logs when it opens a split: "train LMDB file contains 12 images and 15 pairs." For a
// source of another kind it says so. The reference calls the splits train and val.
func Contents(split string, s Source) string {
	kind := "data set"
	if l, ok := s.(located); ok {
		s = l.Source
	}
	if stored, ok := s.(*storedSource); ok && stored.lmdb {
		kind = "LMDB file"
	}
	return fmt.Sprintf("%s %s contains %d images and %d pairs.", split, kind, len(s.ImageIDs()), len(Pairs(s)))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// openEmoji reads the embedded set. It is compressed in the program, so a split is unpacked into memory (about 2 MB).
func openEmoji() (*Dataset, error) {
	files, err := assets.Emoji()
	if err != nil {
		return nil, fmt.Errorf("opening the embedded emoji set: %w", err)
	}
	d := &Dataset{Name: "emoji"}
	for _, split := range d.splits() {
		imgs, err := fs.ReadFile(files, split.name+"_imgs.tsv")
		if err != nil {
			return nil, fmt.Errorf("opening the embedded emoji set: %w", err)
		}
		texts, err := files.Open(split.name + "_texts.jsonl")
		if err != nil {
			return nil, fmt.Errorf("opening the embedded emoji set: %w", err)
		}
		s, err := newTSV("emoji/"+split.name, file{split.name + "_imgs.tsv", bytes.NewReader(imgs)}, split.name+"_texts.jsonl", texts)
		texts.Close()
		if err != nil {
			return nil, err
		}
		*split.source = s
	}
	return d, nil
}
