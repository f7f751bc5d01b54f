package dataset

import (
	"cmp"
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
	"clipnb/clipkit/dataset/folder"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/regular"
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
	f, err := listPictures(dir)
	if err != nil {
		return nil, err
	}
	captionFile, lines, texts, err := f.captions(captionFile)
	if err != nil {
		return nil, err
	}
	splitOf, err := f.split(captionFile, lines, texts, split)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Name: filepath.Base(dir)}
	if others := f.PassedOver(); others != "" {
		d.LeftOut = append(d.LeftOut, others)
	}
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

// captions reads the captions of the pictures, from the file that is named, else from that of the folder, else from beside the pictures.
func (f pictureFolder) captions(file string) (from string, lines []captions.Caption, texts []Text, err error) {
	if from = cmp.Or(file, findCaptionFile(f.Dir)); from != "" {
		lines, err = readCaptionFile(from)
	} else {
		lines, err = f.readBeside()
	}
	if err == nil {
		texts, err = f.find(from, lines)
	}
	return from, lines, texts, err
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
	f, err := regular.Open(name)
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

// folderError makes what must not be read an ErrFormat of this package.
func folderError(err error) error {
	if errors.Is(err, folder.ErrRefused) {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return err
}

// pictureFolder is a folder of pictures; image id i+1 is Pictures[i].
type pictureFolder struct{ *folder.Folder }

func listPictures(dir string) (pictureFolder, error) {
	f, err := folder.List(dir)
	if err == nil && len(f.Pictures) == 0 {
		err = fmt.Errorf("%w: no pictures (%s) in %s%s", ErrNotFound, strings.Join(imaging.Endings, " "), dir, f.Unfollowed())
	}
	return pictureFolder{f}, err
}

// readBeside reads the captions that stand beside the pictures.
func (f pictureFolder) readBeside() ([]captions.Caption, error) {
	if !slices.ContainsFunc(f.Pictures, func(p string) bool { return f.TextOf(p) != "" }) {
		return nil, fmt.Errorf("%w: none of %s in %s, nor a .txt beside a picture", ErrNotFound, strings.Join(CaptionFiles, ", "), f.Dir)
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", f.Dir, err)
	}
	defer root.Close()
	var lines []captions.Caption
	empty := captions.Faults{Name: f.Dir}
	for _, p := range f.Pictures {
		name := f.TextOf(p)
		if name == "" {
			continue
		}
		file, err := folder.Open(root, f.Dir, name)
		if err != nil {
			return nil, folderError(fmt.Errorf("reading captions: %s: %w", filepath.Join(f.Dir, filepath.FromSlash(name)), err))
		}
		texts, err := captions.Lines(filepath.Join(f.Dir, filepath.FromSlash(name)), file)
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
func (f pictureFolder) find(captionFile string, lines []captions.Caption) ([]Text, error) {
	byPath, byName := make(map[string]int, len(f.Pictures)), make(map[string][]int, len(f.Pictures))
	for i, p := range f.Pictures {
		byPath[p] = i
		byName[path.Base(p)] = append(byName[path.Base(p)], i)
	}
	texts := make([]Text, len(lines))
	missing := captions.Faults{Name: captionFile}
	for i, c := range lines {
		at, ok := byPath[f.Below(c.Image)]
		if !ok {
			switch same := byName[c.Image]; len(same) {
			case 1:
				at = same[0]
			case 0:
				missing.Add(c.Line, fmt.Sprintf("%s is not among the %d pictures", c.Image, len(f.Pictures)))
			default:
				missing.Add(c.Line, fmt.Sprintf("%d pictures have the name %s, %s and %s: give the path", len(same), c.Image, f.Pictures[same[0]], f.Pictures[same[1]]))
			}
		}
		texts[i] = Text{ID: int64(i + 1), Text: c.Text, ImageIDs: []int64{int64(at + 1)}}
	}
	return texts, captionError(missing.Err(fmt.Sprintf("name a picture by its path in %s, or take its captions out (pictures end in %s)%s",
		f.Dir, strings.Join(imaging.Endings, " "), f.Unfollowed())))
}

// open opens the split of the pictures that are mine.
func (f pictureFolder) open(name string, texts []Text, mine func(id int64) bool) (Source, error) {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", f.Dir, err)
	}
	s := &folderSource{name: name, dir: f.Dir, root: root, paths: f.Pictures, mine: mine, close: sync.OnceValue(root.Close)}
	for i := range f.Pictures {
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
	what := filepath.Join(s.dir, filepath.FromSlash(s.paths[id-1]))
	f, err := folder.Open(s.root, s.dir, s.paths[id-1])
	if err != nil {
		return nil, folderError(fmt.Errorf("opening %s: %w", what, err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImageLine+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case len(data) == 0:
		return nil, fmt.Errorf("%s: %w: an empty file", what, ErrFormat)
	case len(data) > maxImageLine:
		return nil, fmt.Errorf("%s: %w: more than %d MiB", what, ErrFormat, maxImageLine>>20)
	}
	return data, nil
}
