package eval

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
	"strconv"
	"strings"
	"sync"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// maxPictureFile bounds one picture's file.
const maxPictureFile = 64 << 20 // bytes

// OpenLabelled opens a folder of one of these kinds; the labels are those of label_cn.txt where that lies in the folder, which is how
// ELEVATER's sets with Chinese labels come.
//
//	test/0/a.jpg …  label_cn.txt           ELEVATER: a folder for each class below test
//	test.bin  fine_label_names.txt         the binary version of CIFAR-100
//	猫/a.jpg  狗/b.jpg …                    a folder for each class; without label_cn.txt the folders' names are the labels
func OpenLabelled(dir string) (Labelled, error) {
	var labels []string
	if file := filepath.Join(dir, "label_cn.txt"); isFile(file) {
		var err error
		if labels, err = ReadLabels(file); err != nil {
			return nil, err
		}
	}
	if isFile(filepath.Join(dir, "test.bin")) {
		return OpenCIFAR100(dir, "test", labels)
	}
	// A folder of classes may have a class that is called test: it is ELEVATER's only with folders below it.
	if test := filepath.Join(dir, "test"); hasFolders(test) {
		dir = test
	}
	return OpenClassFolders(dir, labels)
}

// OpenClassFolders opens dir/<class>/…/<picture> as the reference's ImageFolder does: the classes are dir's folders in the order of
// their names as text, the pictures in it or below it in the order of their folders, then of their names. Files that end otherwise than in
// .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp are passed over, and so are names that begin with a dot.
//
// labels name the classes in that order; nil takes the folders' names. Folders numbered 1, 2, … 10 stand in the order 1, 10, 2, where the
// reference gives classes the labels of others; here that is an error. Links do not lead out of dir.
func OpenClassFolders(dir string, labels []string) (Labelled, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening class folders: %w", err)
	}
	s := &classFolders{name: filepath.Base(dir), dir: dir, root: root, close: sync.OnceValue(root.Close)}
	if s.name == "test" {
		s.name = filepath.Base(filepath.Dir(dir)) + "/test"
	}
	if err := s.list(); err != nil {
		root.Close()
		return nil, err
	}
	if labels != nil && len(labels) != len(s.labels) {
		root.Close()
		return nil, fmt.Errorf("%w: %s has %d class folders (%s … %s), and there are %d labels; there must be one line for each folder",
			ErrZeroShot, dir, len(s.labels), s.labels[0], s.labels[len(s.labels)-1], len(labels))
	}
	if labels != nil {
		s.labels = labels
	}
	return s, nil
}

// classEndings are ImageFolder's. Formats that imaging does not read are an error when they are decoded, not left out silently.
var classEndings = []string{".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}

type classFolders struct {
	name   string
	dir    string
	root   *os.Root
	labels []string
	paths  []string
	class  []int
	close  func() error
}

func (s *classFolders) Name() string     { return s.name }
func (s *classFolders) Labels() []string { return s.labels }
func (s *classFolders) Len() int         { return len(s.paths) }
func (s *classFolders) Class(i int) int  { return s.class[i] }
func (s *classFolders) Close() error     { return s.close() }

func (s *classFolders) Picture(i int) (*imaging.Picture, error) {
	name := s.paths[i]
	f, err := s.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("opening %s in %s: %w", name, s.dir, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPictureFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s in %s: %w", name, s.dir, err)
	case len(data) > maxPictureFile:
		return nil, fmt.Errorf("%w: %s in %s has more than %d MiB", ErrZeroShot, name, s.dir, maxPictureFile>>20)
	}
	p, err := imaging.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", name, s.dir, err)
	}
	return p, nil
}

// list finds classes and pictures.
func (s *classFolders) list() error {
	entries, err := fs.ReadDir(s.root.FS(), ".") // sorted by name
	if err != nil {
		return fmt.Errorf("listing %s: %w", s.dir, err)
	}
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "."):
			continue
		case e.Type()&fs.ModeSymlink != 0:
			return fmt.Errorf("%w: %s in %s is a link, and links to classes are not followed; put the folder itself there", ErrZeroShot, e.Name(), s.dir)
		case !e.IsDir():
			continue
		}
		before := len(s.paths)
		if err := s.listClass(e.Name()); err != nil {
			return fmt.Errorf("listing %s: %w", s.dir, err)
		}
		if len(s.paths) == before {
			return fmt.Errorf("%w: class folder %s in %s has no pictures (%s); fill it or remove it", ErrZeroShot, e.Name(), s.dir, strings.Join(classEndings, " "))
		}
		s.labels = append(s.labels, e.Name())
	}
	if len(s.labels) == 0 {
		return fmt.Errorf("%w: %s has no class folders; want %s/<class>/<picture>", ErrZeroShot, s.dir, s.dir)
	}
	return s.checkNumbers()
}

func (s *classFolders) listClass(class string) error {
	number := len(s.labels)
	var found []string
	err := fs.WalkDir(s.root.FS(), class, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && slices.Contains(classEndings, strings.ToLower(path.Ext(p))):
			found = append(found, p)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(path.Dir(a), path.Dir(b)), cmp.Compare(a, b))
	})
	for _, p := range found {
		s.paths, s.class = append(s.paths, p), append(s.class, number)
	}
	return err
}

// checkNumbers refuses folders that are all numbers but do not stand in the order of the numbers.
func (s *classFolders) checkNumbers() error {
	last, wrong := -1, ""
	for _, l := range s.labels {
		n, err := strconv.Atoi(l)
		if err != nil {
			return nil
		}
		if n < last && wrong == "" {
			wrong = l
		}
		last = n
	}
	if wrong != "" {
		return fmt.Errorf("%w: the class folders in %s are numbers, but sorted by name %s comes after a larger one, so the lines of labels would miss them; pad them with zeros (000, 001, …)",
			ErrZeroShot, s.dir, wrong)
	}
	return nil
}

// ByCaption makes a labelled set of a split. class gives each picture its class by its captions, which are in file order; "" leaves
// the picture out. nil takes the first caption, so that every picture is asked for its own name among all names. Classes are numbered as
// they appear.
func ByCaption(split dataset.Source, class func(captions []string) string) Labelled {
	if class == nil {
		class = func(captions []string) string { return captions[0] }
	}
	captions := map[int64][]string{}
	for _, t := range split.Texts() {
		for _, id := range t.ImageIDs {
			captions[id] = append(captions[id], t.Text)
		}
	}
	s := &captioned{split: split}
	numbers := map[string]int{}
	for _, id := range split.ImageIDs() {
		if len(captions[id]) == 0 {
			continue
		}
		label := class(captions[id])
		if label == "" {
			continue
		}
		if _, known := numbers[label]; !known {
			numbers[label] = len(s.labels)
			s.labels = append(s.labels, label)
		}
		s.ids, s.class = append(s.ids, id), append(s.class, numbers[label])
	}
	return s
}

type captioned struct {
	split  dataset.Source
	labels []string
	ids    []int64
	class  []int
}

func (s *captioned) Name() string     { return s.split.Name() }
func (s *captioned) Labels() []string { return s.labels }
func (s *captioned) Len() int         { return len(s.ids) }
func (s *captioned) Class(i int) int  { return s.class[i] }
func (s *captioned) Close() error     { return nil } // the split belongs to the caller

func (s *captioned) Picture(i int) (*imaging.Picture, error) {
	encoded, err := s.split.Image(s.ids[i])
	if err != nil {
		return nil, err
	}
	p, err := imaging.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("picture %d of %s: %w", s.ids[i], s.Name(), err)
	}
	return p, nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func hasFolders(dir string) bool {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() })
}

var (
	_ Labelled = (*classFolders)(nil)
	_ Labelled = (*captioned)(nil)
	_ Labelled = (*cifar100)(nil)
)
