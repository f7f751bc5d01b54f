package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/imaging"
)

// CaptionFiles are the names that [Open] takes a folder of pictures by, in this order.
var CaptionFiles = []string{"captions.csv", "captions.tsv", "captions.jsonl", "metadata.csv", "metadata.jsonl", "captions.json", "captions.txt", "metadata.tsv", "metadata.json"}

// FolderSplit says how the pictures of a folder are parted. All captions of a picture stay together, and so do the pictures of equal captions.
type FolderSplit struct {
	Valid float64 // share of the pictures for validation, 0 to below 1; 0: everything is for training
	Seed  uint64
}

// DefaultSplit is the reference's 80/20 (dataset_transform.py:19).
var DefaultSplit = FolderSplit{Valid: 0.2, Seed: 42}

// OpenFolder opens a folder of pictures, in it or below it, with a caption file, in any of the forms that package captions describes; captionFile ""
// stands for the first of [CaptionFiles] in dir, and without one for a .txt beside each picture, every line of which is a caption.
//
//	image,caption                      {"file_name": "红/1.jpg", "text": "一件红色的大衣"}
//	红/1.jpg,一件红色的大衣
//
// A picture is named by its path below dir, absolute or not, or by its bare name where that is unique. A column (or field) split gives each caption
// to train, valid or test; without one, split says how the pictures are parted.
//
// Image ids are 1 to n by path, text ids number the captions from 1, so both stay as they are while the files do. Pictures
// without a caption are in the training split, where package check finds them.
func OpenFolder(dir, captionFile string, split FolderSplit) (*Dataset, error) {
	if captionFile == "" {
		captionFile = findCaptionFile(dir)
	}
	var lines []captions.Caption
	var err error
	if captionFile != "" {
		if lines, err = readCaptionFile(captionFile); err != nil {
			return nil, err
		}
	}
	f, err := listPictures(dir)
	if err != nil {
		return nil, err
	}
	if captionFile == "" {
		if lines, err = f.readBeside(); err != nil {
			return nil, err
		}
	}
	texts, err := f.find(captionFile, lines)
	if err != nil {
		return nil, err
	}
	splitOf, err := f.split(captionFile, lines, texts, split)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Name: filepath.Base(dir)}
	for _, s := range d.splits() {
		mine := func(id int64) bool { return splitOf[id] == s.name }
		if !slices.ContainsFunc(texts, func(t Text) bool { return mine(t.ImageIDs[0]) }) {
			continue
		}
		if *s.source, err = f.open(d.Name+"/"+s.name, texts, mine); err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

func findCaptionFile(dir string) string {
	for _, name := range CaptionFiles {
		if p := filepath.Join(dir, name); exists(p) {
			return p
		}
	}
	return ""
}

func readCaptionFile(name string) ([]captions.Caption, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: caption file %s", ErrNotFound, name)
	}
	if err != nil {
		return nil, fmt.Errorf("opening captions: %w", err)
	}
	defer f.Close()
	lines, err := captions.Read(name, f)
	return lines, captionError(err)
}

// captionError makes what is wrong with a caption file an ErrFormat of this package.
func captionError(err error) error {
	if wrong := (*captions.Error)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return err
}

// folder is what lies in a folder of pictures.
type folder struct {
	dir      string
	pictures []string          // paths below dir, sorted, with slashes; that of image id i+1 is pictures[i]
	texts    map[string]string // the path of the .txt by the path without its ending
	links    []string          // to folders, which are not followed
}

// listPictures lists what is below dir. Hidden files, links to folders, devices and pipes are passed over.
func listPictures(dir string) (*folder, error) {
	f := &folder{dir: dir, texts: map[string]string{}}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		kind := d.Type()
		if kind&fs.ModeSymlink != 0 {
			if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(p))); err == nil { // one that leads nowhere is found when it is read
				kind = info.Mode()
			}
			if kind.IsDir() {
				f.links = append(f.links, p)
			}
		}
		switch {
		case kind&(fs.ModeType&^fs.ModeSymlink) != 0:
		case imaging.HasEnding(p):
			f.pictures = append(f.pictures, p)
		case strings.EqualFold(path.Ext(p), ".txt"):
			f.texts[strings.TrimSuffix(p, path.Ext(p))] = p
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing pictures in %s: %w", dir, err)
	}
	if len(f.pictures) == 0 {
		return nil, fmt.Errorf("%w: no pictures (%s) in %s%s", ErrNotFound, strings.Join(imaging.Endings, " "), dir, f.unfollowed())
	}
	slices.Sort(f.pictures)
	return f, nil
}

// unfollowed says which links were not followed.
func (f *folder) unfollowed() string {
	if len(f.links) == 0 {
		return ""
	}
	return fmt.Sprintf("; links to folders are not followed, and %s is one: copy the pictures, or link to each of them", f.links[0])
}

// hasBeside tells whether a picture has a .txt beside it.
func (f *folder) hasBeside() bool {
	return slices.ContainsFunc(f.pictures, func(p string) bool { return f.texts[strings.TrimSuffix(p, path.Ext(p))] != "" })
}

// readBeside reads the captions that stand beside the pictures.
func (f *folder) readBeside() ([]captions.Caption, error) {
	if !f.hasBeside() {
		return nil, fmt.Errorf("%w: none of %s in %s, nor a .txt beside a picture", ErrNotFound, strings.Join(CaptionFiles, ", "), f.dir)
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", f.dir, err)
	}
	defer root.Close()
	var lines []captions.Caption
	empty := captions.Faults{Name: f.dir}
	for _, p := range f.pictures {
		name, ok := f.texts[strings.TrimSuffix(p, path.Ext(p))]
		if !ok {
			continue
		}
		file, err := openBelow(root, f.dir, name)
		if err != nil {
			return nil, fmt.Errorf("reading captions: %w", err)
		}
		texts, err := captions.Lines(filepath.Join(f.dir, filepath.FromSlash(name)), file)
		file.Close()
		if err != nil {
			return nil, captionError(err)
		}
		if len(texts) == 0 {
			empty.Add(0, "no caption in "+name)
		}
		for _, text := range texts {
			lines = append(lines, captions.Caption{Image: p, Text: text})
		}
	}
	return lines, captionError(empty.Err("write one, or take the file away"))
}

// find finds the pictures that captions name.
func (f *folder) find(captionFile string, lines []captions.Caption) ([]Text, error) {
	byPath, byName := make(map[string]int, len(f.pictures)), make(map[string][]int, len(f.pictures))
	for i, p := range f.pictures {
		byPath[p] = i
		byName[path.Base(p)] = append(byName[path.Base(p)], i)
	}
	texts, parents := make([]Text, len(lines)), map[string]string{}
	missing := captions.Faults{Name: captionFile}
	for i, c := range lines {
		at, ok := byPath[f.below(c.Image, parents)]
		if !ok {
			switch same := byName[c.Image]; len(same) {
			case 1:
				at = same[0]
			case 0:
				missing.Add(c.Line, fmt.Sprintf("%s is not among the %d pictures", c.Image, len(f.pictures)))
			default:
				missing.Add(c.Line, fmt.Sprintf("%d pictures have the name %s, %s and %s: give the path", len(same), c.Image, f.pictures[same[0]], f.pictures[same[1]]))
			}
		}
		texts[i] = Text{ID: int64(i + 1), Text: c.Text, ImageIDs: []int64{int64(at + 1)}}
	}
	return texts, captionError(missing.Err(fmt.Sprintf("name a picture by its path in %s, or take its captions out (pictures end in %s)%s",
		f.dir, strings.Join(imaging.Endings, " "), f.unfollowed())))
}

// below is the path in the folder for an absolute path that lies in it. parents keeps where folders lie behind links.
func (f *folder) below(name string, parents map[string]string) string {
	if !path.IsAbs(name) && !filepath.IsAbs(filepath.FromSlash(name)) {
		return name
	}
	real := func(dir string) string {
		if _, known := parents[dir]; !known {
			parents[dir] = dir
			if abs, err := filepath.Abs(filepath.FromSlash(dir)); err == nil {
				if to, err := filepath.EvalSymlinks(abs); err == nil {
					parents[dir] = filepath.ToSlash(to)
				}
			}
		}
		return parents[dir]
	}
	return strings.TrimPrefix(path.Join(real(path.Dir(name)), path.Base(name)), strings.TrimSuffix(real(f.dir), "/")+"/")
}

// open opens the split of the pictures that are mine.
func (f *folder) open(name string, texts []Text, mine func(id int64) bool) (Source, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", f.dir, err)
	}
	s := &folderSource{name: name, dir: f.dir, root: root, paths: f.pictures, mine: mine, close: sync.OnceValue(root.Close)}
	for i := range f.pictures {
		if id := int64(i + 1); mine(id) {
			s.ids = append(s.ids, id)
		}
	}
	s.texts = slices.DeleteFunc(slices.Clone(texts), func(t Text) bool { return !mine(t.ImageIDs[0]) })
	return s, nil
}

// folderSource is a split whose pictures are files in a folder.
type folderSource struct {
	name, dir string
	root      *os.Root
	ids       []int64
	paths     []string // of image id i+1; those of the other splits too
	mine      func(id int64) bool
	texts     []Text
	close     func() error
}

var _ Source = (*folderSource)(nil)

func (s *folderSource) Name() string      { return s.name }
func (s *folderSource) ImageIDs() []int64 { return s.ids }
func (s *folderSource) Texts() []Text     { return s.texts }
func (s *folderSource) Close() error      { return s.close() }

// Label is a picture's path below the folder.
func (s *folderSource) Label(id int64) string {
	if id < 1 || id > int64(len(s.paths)) {
		return ""
	}
	return s.paths[id-1]
}

func (s *folderSource) Image(id int64) ([]byte, error) {
	if id < 1 || id > int64(len(s.paths)) || !s.mine(id) {
		return nil, fmt.Errorf("%w: image %d in %s", ErrNotFound, id, s.name)
	}
	what := fmt.Sprintf("image %d of %s, %s", id, s.name, filepath.Join(s.dir, filepath.FromSlash(s.paths[id-1])))
	f, err := openBelow(s.root, s.dir, s.paths[id-1])
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", what, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImageLine+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case len(data) == 0:
		return nil, fmt.Errorf("%w: %s, is an empty file", ErrFormat, what)
	case len(data) > maxImageLine:
		return nil, fmt.Errorf("%w: %s, has more than %d MiB", ErrFormat, what, maxImageLine>>20)
	}
	return data, nil
}
