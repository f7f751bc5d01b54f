// Package folder lists the pictures of a folder, and opens them: regular files, and those that links lead to.
//
//	f, err := folder.List("photos")                        // f.Pictures: "1.jpg", "红/2.png", …
//	file, err := folder.Open(root, "photos", f.Pictures[0]) // root is os.OpenRoot("photos")
//
// # Links
//
// People share pictures between sets by links, so links are followed to regular files: not to folders, which may hold the link again, and not to
// devices and pipes, which may never end. A link that leads out of the folder is followed to pictures alone, by their first bytes, or from a
// .txt to another: an archive from the internet may hold links to private files, and what is read here is shown.
package folder

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/imaging"
)

// Folder is what lies in a folder of pictures. Paths are below Dir, with slashes.
type Folder struct {
	Dir      string
	Pictures []string // sorted
	texts    map[string]string
	links    []string          // to folders
	others   map[string]int    // how many files are neither pictures nor captions, by their endings
	parents  map[string]string // where folders lie behind links
}

// List lists what is in dir and below it. Hidden files, links to folders, devices and pipes are passed over.
func List(dir string) (*Folder, error) {
	f := &Folder{Dir: dir, texts: map[string]string{}, others: map[string]int{}, parents: map[string]string{}}
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
			f.Pictures = append(f.Pictures, p)
		case strings.EqualFold(path.Ext(p), ".txt"):
			f.texts[strings.TrimSuffix(p, path.Ext(p))] = p
		case !captions.HasEnding(p):
			f.others[strings.ToLower(path.Ext(p))]++
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing pictures in %s: %w", dir, err)
	}
	slices.Sort(f.Pictures)
	return f, nil
}

// PassedOver counts by their endings the files that List took neither for pictures nor for captions; "" where there are none.
func (f *Folder) PassedOver() string {
	var parts []string
	for _, ending := range slices.Sorted(maps.Keys(f.others)) {
		parts = append(parts, fmt.Sprintf("%d %s", f.others[ending], cmp.Or(ending, "without an ending")))
	}
	if parts == nil {
		return ""
	}
	return "passed over, as their endings are no picture's: " + strings.Join(parts, ", ")
}

// Unfollowed is a remark on links that were not followed, for a message about pictures that are not there; "" without such links.
func (f *Folder) Unfollowed() string {
	if len(f.links) == 0 {
		return ""
	}
	return fmt.Sprintf("; links to folders are not followed, and %s is one: copy the pictures, or link to each of them", f.links[0])
}

// TextOf is the path of the .txt beside a picture, 1.txt or 1.jpg.txt for 1.jpg; "" where there is none.
func (f *Folder) TextOf(picture string) string {
	if text, ok := f.texts[strings.TrimSuffix(picture, path.Ext(picture))]; ok {
		return text
	}
	return f.texts[picture]
}

// maxLookedAt bounds what HasTexts looks at: whoever names the wrong folder should not wait for its whole disk.
const maxLookedAt = 20_000

// HasTexts tells whether a picture has a .txt beside it, among the first files of a folder.
func HasTexts(dir string) bool {
	beside, looked := false, 0
	const picture, text = 1, 2
	met := map[string]int{}
	_ = fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error { // what cannot be listed has none
		name, kind := p, 0
		switch {
		case err != nil || p != "." && strings.HasPrefix(d.Name(), "."):
			if err == nil && !d.IsDir() {
				return nil
			}
			return fs.SkipDir
		case d.IsDir():
			return nil
		case imaging.HasEnding(p):
			kind = picture
		case strings.EqualFold(path.Ext(p), ".txt"):
			kind = text
			if inner := strings.TrimSuffix(p, path.Ext(p)); imaging.HasEnding(inner) {
				name = inner
			}
		}
		name = strings.TrimSuffix(name, path.Ext(name))
		met[name] |= kind
		if beside = beside || met[name] == picture|text; beside || looked == maxLookedAt {
			return fs.SkipAll
		}
		looked++
		return nil
	})
	return beside
}

// Below is the path below the folder of a name that may be an absolute path.
func (f *Folder) Below(name string) string {
	if !path.IsAbs(name) && !filepath.IsAbs(filepath.FromSlash(name)) {
		return name
	}
	real := func(dir string) string {
		if _, known := f.parents[dir]; !known {
			f.parents[dir] = dir
			if abs, err := filepath.Abs(filepath.FromSlash(dir)); err == nil {
				if to, err := filepath.EvalSymlinks(abs); err == nil {
					f.parents[dir] = filepath.ToSlash(to)
				}
			}
		}
		return f.parents[dir]
	}
	return strings.TrimPrefix(path.Join(real(path.Dir(name)), path.Base(name)), strings.TrimSuffix(real(f.Dir), "/")+"/")
}
