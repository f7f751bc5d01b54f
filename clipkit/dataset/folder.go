package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"clipnb/clipkit/imaging"
)

// CaptionFiles are the names that [Open] takes a folder of pictures by, in this order.
var CaptionFiles = []string{"captions.csv", "captions.tsv", "captions.jsonl", "metadata.csv", "metadata.jsonl"}

// FolderSplit says how the pictures of a folder are parted. All captions of a picture stay together.
type FolderSplit struct {
	Valid float64 // share of the pictures for validation, 0 to below 1; 0: everything is for training
	Seed  uint64
}

// DefaultSplit is the reference's 80/20 (dataset_transform.py:19).
var DefaultSplit = FolderSplit{Valid: 0.2, Seed: 42}

// OpenFolder opens a folder of pictures, in it or below it, with a caption file; captions "" stands for the first of [CaptionFiles] in dir.
//
//	image,caption                      {"file_name": "红/1.jpg", "text": "一件红色的大衣"}
//	红/1.jpg,一件红色的大衣
//
// A CSV or TSV has a header line; the picture's column, or field of a JSON line, is called image, image_id, file, file_name, filename,
// path or filepath, the caption's caption, text, title or sentence. The file is UTF-8; a byte order mark is accepted. A picture is named
// by its path below dir, or by its bare name where that is unique.
//
// Image ids are 1 to n by path, text ids the lines of captions from 1, so both stay as they are while the files do. Pictures
// without a caption are in the training split, where package check finds them.
func OpenFolder(dir, captions string, split FolderSplit) (*Dataset, error) {
	if captions == "" {
		if captions = captionFile(dir); captions == "" {
			return nil, fmt.Errorf("%w: none of %s in %s", ErrNotFound, strings.Join(CaptionFiles, ", "), dir)
		}
	}
	f, err := os.Open(captions)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: caption file %s", ErrNotFound, captions)
	}
	if err != nil {
		return nil, fmt.Errorf("opening captions: %w", err)
	}
	defer f.Close()
	lines, err := readCaptions(captions, f)
	if err != nil {
		return nil, err
	}
	pictures, err := listPictures(dir)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]int64) // by path, and by bare name: 0 where two have it
	for i, p := range pictures {
		if _, taken := ids[path.Base(p)]; taken {
			ids[path.Base(p)] = 0
		} else {
			ids[path.Base(p)] = int64(i + 1)
		}
	}
	for i, p := range pictures {
		ids[p] = int64(i + 1)
	}
	texts := make([]Text, len(lines))
	for i, c := range lines {
		id := ids[c.image]
		if id == 0 {
			return nil, fmt.Errorf("%w: %s:%d: %s is not among the %d pictures in %s; name it by its path there (pictures end in %s)",
				ErrFormat, captions, c.line, c.image, len(pictures), dir, strings.Join(imaging.Endings, " "))
		}
		texts[i] = Text{ID: int64(i + 1), Text: c.text, ImageIDs: []int64{id}}
	}
	return splitFolder(dir, pictures, texts, split)
}

func captionFile(dir string) string {
	for _, name := range CaptionFiles {
		if p := filepath.Join(dir, name); exists(p) {
			return p
		}
	}
	return ""
}

// listPictures gives the paths of pictures below dir, sorted, with slashes. Hidden files and links to folders are passed over.
func listPictures(dir string) ([]string, error) {
	var pictures []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && imaging.HasEnding(p):
			pictures = append(pictures, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing pictures in %s: %w", dir, err)
	}
	if len(pictures) == 0 {
		return nil, fmt.Errorf("%w: no pictures (%s) in %s", ErrNotFound, strings.Join(imaging.Endings, " "), dir)
	}
	slices.Sort(pictures)
	return pictures, nil
}

// splitFolder deals the pictures that have captions to the splits.
func splitFolder(dir string, pictures []string, texts []Text, split FolderSplit) (*Dataset, error) {
	if !(split.Valid >= 0 && split.Valid < 1) {
		return nil, fmt.Errorf("opening %s: the share for validation is %g, want 0 to below 1", dir, split.Valid)
	}
	described := make(map[int64]bool)
	for _, text := range texts {
		for _, id := range text.ImageIDs {
			described[id] = true
		}
	}
	ids := slices.Sorted(maps.Keys(described))
	valid := make(map[int64]bool)
	for _, i := range permutation(split.Seed, len(ids))[:int(split.Valid*float64(len(ids))+0.5)] {
		valid[ids[i]] = true
	}
	d := &Dataset{Name: filepath.Base(dir)}
	var err error
	if d.Train, err = newFolder(d.Name+"/train", dir, pictures, texts, func(id int64) bool { return !valid[id] }); err != nil {
		return nil, err
	}
	if len(valid) > 0 {
		d.Valid, err = newFolder(d.Name+"/valid", dir, pictures, texts, func(id int64) bool { return valid[id] })
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// folderSource is a split whose pictures are files in a folder.
type folderSource struct {
	name  string
	root  *os.Root // a link cannot lead out of it
	ids   []int64
	paths []string // of image id i+1; those of the other split too
	mine  func(id int64) bool
	texts []Text
	close func() error
}

var _ Source = (*folderSource)(nil)

func newFolder(name, dir string, pictures []string, texts []Text, mine func(id int64) bool) (Source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	s := &folderSource{name: name, root: root, paths: pictures, mine: mine, close: sync.OnceValue(root.Close)}
	for i := range pictures {
		if id := int64(i + 1); mine(id) {
			s.ids = append(s.ids, id)
		}
	}
	for _, text := range texts {
		text.ImageIDs = slices.DeleteFunc(slices.Clone(text.ImageIDs), func(id int64) bool { return !mine(id) })
		if len(text.ImageIDs) > 0 {
			s.texts = append(s.texts, text)
		}
	}
	return s, nil
}

func (s *folderSource) Name() string      { return s.name }
func (s *folderSource) ImageIDs() []int64 { return s.ids }
func (s *folderSource) Texts() []Text     { return s.texts }
func (s *folderSource) Close() error      { return s.close() }

func (s *folderSource) Image(id int64) ([]byte, error) {
	if id < 1 || id > int64(len(s.paths)) || !s.mine(id) {
		return nil, fmt.Errorf("%w: image %d in %s", ErrNotFound, id, s.name)
	}
	name := s.paths[id-1]
	f, err := s.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("opening image %d of %s: %w", id, s.name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImageLine+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading image %d of %s, %s: %w", id, s.name, name, err)
	case len(data) == 0:
		return nil, fmt.Errorf("%w: image %d of %s, %s, is an empty file", ErrFormat, id, s.name, name)
	case len(data) > maxImageLine:
		return nil, fmt.Errorf("%w: image %d of %s, %s, has more than %d MiB", ErrFormat, id, s.name, name, maxImageLine>>20)
	}
	return data, nil
}
