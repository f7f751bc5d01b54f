package zeroshot

import (
	"cmp"
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

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/regular"
)

// maxPictureFile bounds one picture's file.
const maxPictureFile = 64 << 20 // bytes

// openClassFolders opens dir/<class>/…/<picture> as the reference's ImageFolder does: the classes are dir's folders in the order of
// their names as text, the pictures in it or below it in the order of their folders, then of their names. Files that end otherwise than in
// .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp are passed over, and so are names that begin with a dot.
//
// labels name the classes in that order; nil takes the folders' names. Folders numbered 1, 2, … 10 stand in the order 1, 10, 2, where the
// reference gives classes the labels of others; here that is an error. Links do not lead out of dir.
func openClassFolders(dir string, labels []string) (Set, error) {
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
			ErrInput, dir, len(s.labels), s.labels[0], s.labels[len(s.labels)-1], len(labels))
	}
	if labels != nil {
		s.labels = labels
	}
	return s, nil
}

// classEndings are ImageFolder's, not imaging's: which pictures are counted decides the accuracy. TIFF is not read: such a
// picture is named, and is not left out silently.
var classEndings = []string{".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}

var _ Set = (*classFolders)(nil)

type classFolders struct {
	name   string
	dir    string
	root   *os.Root
	labels []string
	paths  []string
	class  []int
	close  func() error
}

func (s *classFolders) Name() string       { return s.name }
func (s *classFolders) Labels() []string   { return s.labels }
func (s *classFolders) Len() int           { return len(s.paths) }
func (s *classFolders) Class(i int) int    { return s.class[i] }
func (s *classFolders) Label(i int) string { return s.paths[i] }
func (s *classFolders) Close() error       { return s.close() }

func (s *classFolders) Picture(i int) (*imaging.Picture, error) {
	name := s.paths[i]
	f, err := regular.OpenIn(s.root, filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("opening %s in %s: %w", name, s.dir, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPictureFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s in %s: %w", name, s.dir, err)
	case len(data) > maxPictureFile:
		return nil, fmt.Errorf("%w: %s in %s has more than %d MiB", ErrInput, name, s.dir, maxPictureFile>>20)
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
			return fmt.Errorf("%w: %s in %s is a link, and links to classes are not followed; put the folder itself there", ErrInput, e.Name(), s.dir)
		case !e.IsDir():
			continue
		}
		before := len(s.paths)
		if err := s.listClass(e.Name()); err != nil {
			return fmt.Errorf("listing %s: %w", s.dir, err)
		}
		if len(s.paths) == before {
			return fmt.Errorf("%w: class folder %s in %s has no pictures (%s); fill it or remove it", ErrInput, e.Name(), s.dir, strings.Join(classEndings, " "))
		}
		s.labels = append(s.labels, e.Name())
	}
	if len(s.labels) == 0 {
		return fmt.Errorf("%w: %s has no class folders; want %s/<class>/<picture>", ErrInput, s.dir, s.dir)
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
			ErrInput, s.dir, wrong)
	}
	return nil
}
