// Package dataset gives pictures with captions, in the order and the batches that contrastive training needs.
//
// A [Source] is one split. [Open] finds the splits of a set: the embedded one by the name "emoji", or a folder in the reference's
// raw layout (SPEC §4.2), of which any of train, valid and test may be absent:
//
//	{train,valid,test}_imgs.tsv      image id TAB base64 of the picture file
//	{train,valid,test}_texts.jsonl   {"text_id": 8057, "text": "皮卡丘", "image_ids": [301]}
//
//	data, err := dataset.Open("datasets/MUGE")
//	defer data.Close()
//	loader, err := dataset.NewLoader(ctx, data.Train, dataset.LoaderConfig{BatchSize: 128, Resolution: 224, Shuffle: true, Transform: f})
//	for {
//		batch, err := loader.Next() // batch.Images: [128, 3, 224, 224]   batch.IDs: [128, 52]
//		if err == io.EOF {
//			break
//		}
//		…
//	}
//
// A caption with several pictures becomes several pairs ([Pairs]); the order of pairs in an epoch is the reference's ([Order]).
//
// # Errors
//
// Bytes that are not what the layout promises are [ErrFormat], with file and line; files, splits and ids that do not exist are
// [ErrNotFound]. Opening reads everything once, so that a long run does not meet a bad line in its third hour: ids must be integers
// and unique, and every image id of a caption must be in the tsv. Pictures are decoded only when they are asked for.
//
// # Limits on outside bytes
//
// A tsv line has at most 64 MiB and a jsonl line 1 MiB. A tsv is indexed in one pass that keeps some 50 bytes a picture and is read in
// place afterwards; the captions are kept in memory.
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
)

// Errors to test for with errors.Is.
var (
	ErrFormat   = errors.New("dataset: bad format")
	ErrNotFound = errors.New("dataset: not found")
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
type Text struct {
	ID       int64
	Text     string
	ImageIDs []int64 // the pictures it describes; empty where the answers are hidden
}

// Dataset is a set of splits; those it does not have are nil.
type Dataset struct {
	Name               string
	Train, Valid, Test Source
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
	return d.Name + ": " + strings.Join(parts, "; ")
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

// Open opens the embedded set ("emoji") or a folder in the raw layout. A folder that happens to be called emoji is "./emoji".
func Open(path string) (*Dataset, error) {
	if path == "emoji" {
		return openEmoji()
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s; want a folder with {train,valid,test}_imgs.tsv and _texts.jsonl, or the name emoji for the embedded set", ErrNotFound, path)
	case err != nil:
		return nil, fmt.Errorf("opening data set: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("%w: %s is a file; want the folder that holds {train,valid,test}_imgs.tsv and _texts.jsonl", ErrFormat, path)
	}
	d := &Dataset{Name: filepath.Base(path)}
	found := false
	for _, split := range d.splits() {
		imgs, texts := filepath.Join(path, split.name+"_imgs.tsv"), filepath.Join(path, split.name+"_texts.jsonl")
		if !exists(imgs) && !exists(texts) {
			continue
		}
		found = true
		s, err := OpenTSV(d.Name+"/"+split.name, imgs, texts)
		if err != nil {
			d.Close()
			return nil, err
		}
		*split.source = s
	}
	if !found {
		return nil, fmt.Errorf("%w: no split in %s; want train_imgs.tsv with train_texts.jsonl, or the same for valid or test", ErrNotFound, path)
	}
	return d, nil
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
