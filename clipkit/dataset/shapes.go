package dataset

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/dataset/coco"
	"clipnb/clipkit/dataset/shape"
	"clipnb/clipkit/dataset/webdataset"
)

// shapes are what a folder may be by the files in it, where it has no split in the reference's layout and no caption file of its own. find picks a
// shape's files out of those of the folder; a folder in which two shapes have files is ambiguous.
var shapes = []struct {
	name string
	find func(files []string) []string
	open func(d *Dataset, dir string, files []string) error
}{
	{"imagefolder", findImageFolder, openImageFolder},
	{"parquet", shape.FindParquet, opener(shape.OpenParquet)},
	{"WebDataset", webdataset.Find, opener(webdataset.Open)},
	{"COCO", coco.Find, opener(coco.Open)},
}

// foreign are files that people have and that are not read, with what to do about them.
var foreign = []struct{ ending, advice string }{
	{".tar.gz", "gunzip it: what is compressed cannot be read from the middle"},
	{".tgz", "gunzip it: what is compressed cannot be read from the middle"},
	{".arrow", `write it as parquet: load_from_disk(…)["train"].to_parquet("data/train-00000-of-00001.parquet")`},
	{".tfrecord", "write its samples into a tar, 000000.jpg beside 000000.txt"},
}

// openShape opens a folder by the shape of its files.
func (d *Dataset) openShape(dir string) error {
	endings := []string{".parquet", ".tar", ".json", ".jsonl", ".csv", ".tsv"}
	for _, f := range foreign {
		endings = append(endings, f.ending)
	}
	files, err := shape.List(dir, endings...)
	if err != nil {
		return err
	}
	at := -1
	var found []string
	for i, s := range shapes {
		mine := s.find(files)
		switch {
		case len(mine) == 0:
			continue
		case at >= 0:
			return fmt.Errorf("%w: %s holds data of two shapes, %s (%s) and %s (%s); leave one of them there, and put the other into a folder of its own",
				ErrFormat, dir, shapes[at].name, found[0], s.name, mine[0])
		}
		at, found = i, mine
	}
	if at >= 0 {
		return shapes[at].open(d, dir, found)
	}
	for _, f := range foreign {
		if i := slices.IndexFunc(files, func(name string) bool { return strings.HasSuffix(strings.ToLower(name), f.ending) }); i >= 0 {
			return fmt.Errorf("%w: no split in %s; %s is not read: %s", ErrNotFound, dir, files[i], f.advice)
		}
	}
	return fmt.Errorf("%w: no split in %s; want train_imgs.tsv with train_texts.jsonl or lmdb/train, or the same for valid or test, or pictures with one of %s, "+
		"or .parquet, .tar, captions_….json (go doc clipnb/clipkit/dataset/shape lists the shapes)", ErrNotFound, dir, strings.Join(CaptionFiles, ", "))
}

// opener makes a shape's package open the splits of d.
func opener(open func(name, dir string, files []string) ([]*shape.Split, error)) func(d *Dataset, dir string, files []string) error {
	return func(d *Dataset, dir string, files []string) error {
		splits, err := open(d.Name, dir, files)
		if err != nil {
			return err
		}
		for _, s := range splits {
			d.place(s.Kind, s)
			if left := s.LeftOut.String(); left != "" {
				d.LeftOut = append(d.LeftOut, s.Kind+": "+left)
			}
		}
		return nil
	}
}

// place makes s the split of the name, unless there is one.
func (d *Dataset) place(name string, s Source) bool {
	for _, split := range d.splits() {
		if split.name == name && *split.source == nil {
			*split.source = s
			return true
		}
	}
	return false
}

// findImageFolder finds the caption files in folders that are called like splits, as train/metadata.jsonl.
func findImageFolder(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		return shape.NameOf(path.Base(path.Dir(f))) == "" || !slices.Contains(CaptionFiles, path.Base(f))
	})
}

// openImageFolder opens each folder with a caption file as the split that it is called after.
func openImageFolder(d *Dataset, dir string, files []string) error {
	seen := make(map[string]bool)
	for _, f := range files {
		below := path.Dir(f)
		if seen[below] { // a csv beside a jsonl: OpenFolder takes the first of CaptionFiles
			continue
		}
		seen[below] = true
		folder, err := OpenFolder(filepath.Join(dir, filepath.FromSlash(below)), "", FolderSplit{})
		if err != nil {
			d.Close()
			return err
		}
		if folder.Train == nil || folder.Valid != nil || folder.Test != nil {
			folder.Close()
			d.Close()
			return fmt.Errorf("%w: %s gives captions to several splits, and its folder is called %s; take its column split out", ErrFormat, filepath.Join(dir, f), path.Base(below))
		}
		kind := shape.NameOf(path.Base(below))
		if s, ok := folder.Train.(*folderSource); ok {
			s.name = d.Name + "/" + kind
		}
		if !d.place(kind, folder.Train) {
			folder.Close()
			d.Close()
			return fmt.Errorf("%w: %s: two folders are the split %s, one of them %s; leave one there", ErrFormat, dir, kind, below)
		}
	}
	return nil
}
