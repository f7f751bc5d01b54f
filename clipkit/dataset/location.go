package dataset

import (
	"fmt"
	"os"
	"path/filepath"
)

// Location says how a split is opened again, in another process: it is a split of what Open opens at Path, or, where Split is "", the pictures
// that OpenPictures opens there.
type Location struct{ Path, Split string }

// located is a split that knows where it lies.
type located struct {
	Source
	at Location
}

// locate marks the splits with where they were opened.
func (d *Dataset) locate(path string) error {
	if path != "emoji" {
		var err error
		if path, err = filepath.Abs(path); err != nil {
			return fmt.Errorf("opening data set: %w", err)
		}
	}
	for _, s := range d.splits() {
		if *s.source != nil {
			*s.source = located{*s.source, Location{path, s.name}}
		}
	}
	return nil
}

// LocationOf tells where a split lies; ok is false for a source that neither Open nor OpenPictures has opened.
func LocationOf(s Source) (at Location, ok bool) {
	switch s := s.(type) {
	case located:
		return s.at, true
	case *Pictures:
		return Location{Path: s.Dir}, true
	}
	return Location{}, false
}

// Place is LocationOf, and for a source that other processes cannot open that of a copy in folder, which it makes; say hears of that.
func Place(s Source, folder string, say func(line string)) (Location, error) {
	if at, ok := LocationOf(s); ok {
		return at, nil
	}
	at := Location{Path: folder, Split: "test"}
	imgs, texts := filepath.Join(folder, "test_imgs.tsv"), filepath.Join(folder, "test_texts.jsonl")
	if _, err := os.Stat(texts); err == nil { // it is written last
		return at, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return at, fmt.Errorf("copying %s: %w", s.Name(), err)
	}
	say(fmt.Sprintf("copying %d pictures to %s, because another process cannot open %s", len(s.ImageIDs()), folder, s.Name()))
	return at, WriteTSV(s, imgs, texts)
}

// Open opens the split again. Closing it closes all that was opened for it.
func (l Location) Open() (Source, error) {
	if l.Split == "" {
		return OpenPictures(l.Path)
	}
	d, err := Open(l.Path)
	if err != nil {
		return nil, err
	}
	wanted, err := d.Split(l.Split)
	for _, s := range d.splits() {
		if *s.source != nil && *s.source != wanted {
			(*s.source).Close()
		}
	}
	return wanted, err
}

// Split gives a split by its name: train, valid or test.
func (d *Dataset) Split(name string) (Source, error) {
	for _, s := range d.splits() {
		switch {
		case s.name != name:
		case *s.source == nil:
			return nil, fmt.Errorf("%w: %s has no %s split", ErrNotFound, d, name)
		default:
			return *s.source, nil
		}
	}
	return nil, fmt.Errorf("%w: split %q; want train, valid or test", ErrNotFound, name)
}

// ReportSplit is the split that results of the set are of: the one that a published set's figures are of (MUGE: valid, because the answers of its
// test are hidden), else test, else valid; nil where it has neither.
func (d *Dataset) ReportSplit() Source {
	p, published := FindPublished(d.Name)
	if d.Test == nil || published && p.Report == "valid" {
		return d.Valid
	}
	return d.Test
}
