// Package coco reads picture folders whose captions are in the JSON files of COCO, of Karpathy's splits, or of those who made lists of them.
//
//	splits, err := coco.Open("coco", dir, []string{"annotations/captions_train2017.json", "annotations/captions_val2017.json"})
//
// The three forms, of which the fields named here are read:
//
//	{"images": [{"id": 9, "file_name": "000000000009.jpg"}], "annotations": [{"id": 1, "image_id": 9, "caption": "…"}]}
//	{"images": [{"imgid": 0, "filepath": "val2014", "filename": "….jpg", "split": "train", "sentences": [{"sentid": 0, "raw": "…"}]}]}
//	[{"image": "val2014/….jpg", "image_id": "coco_522418", "caption": "…" or ["…"]}]
//
// Karpathy's files say the split of each picture (restval is train); the others are of the split that their name says. Ids are the file's own
// (cocoid before imgid) where they are integers, else 1 to n. Captions are in the file's order, and pictures without one are kept.
//
// Pictures lie anywhere below the folder, at most three folders deep, links included: a picture is the one whose path ends as the file says, else,
// for captions_train2017.json, the one in a folder train2017, else the only one of that name. Names are looked up among the pictures that are
// there, so that no file can name one outside.
//
// # Bytes from outside
//
// Files are read element by element, and an element has at most a megabyte. Captions that are empty are left out and counted; ids that do not
// fit and pictures that are not there are an error that lists them.
package coco

import (
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"clipnb/clipkit/dataset/shape"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/regular"
)

var names = regexp.MustCompile(`^(captions?_.*|dataset(_.*)?|.*karpathy.*|(coco|flickr\d+k)_.*)\.json$`)

// other are files of these names that are something else: what the datasets library writes, and answers for COCO's evaluation.
var other = regexp.MustCompile(`^dataset_(infos?|dict)\.json$|_gt\.json$`)

// Find picks the annotations out of the files of a folder.
func Find(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		base := strings.ToLower(path.Base(f))
		return !names.MatchString(base) || other.MatchString(base)
	})
}

// part is what the files say of a split.
type part struct {
	from     string // the file that it is of
	pictures []picture
	captions []caption
	at       map[string]int // pictures by what captions call them
	leftOut  shape.LeftOut
}

type picture struct {
	path  string // as the file has it
	id    int64
	hasID bool
}

type caption struct {
	of    string // a picture, by what it is called
	text  string
	id    int64
	hasID bool
}

// Open opens the files of annotations, which are paths below dir.
func Open(name, dir string, files []string) ([]*shape.Split, error) {
	parts := make(map[string]*part)
	for _, f := range files {
		if err := readFile(parts, dir, f); err != nil {
			return nil, err
		}
	}
	pictures, err := list(dir)
	if err != nil {
		return nil, err
	}
	var splits []*shape.Split
	for _, kind := range []string{"train", "valid", "test"} {
		p := parts[kind]
		if p == nil {
			continue
		}
		s, err := p.split(name, kind, dir, pictures)
		if err != nil {
			return nil, err
		}
		splits = append(splits, s)
	}
	return shape.Finish(splits...)
}

// readFile adds a file to the splits that it is of. Two files of one split are probably versions of one thing.
func readFile(parts map[string]*part, dir, name string) error {
	place := filepath.Join(dir, filepath.FromSlash(name))
	in, err := regular.Open(place)
	if err != nil {
		return fmt.Errorf("opening captions: %w", err)
	}
	defer in.Close()
	kind := shape.NameOf(name)
	if kind == "" {
		kind = "train"
	}
	mine := func(kind string) (*part, error) {
		p := parts[kind]
		if p == nil {
			p = &part{from: name, at: make(map[string]int)}
			parts[kind] = p
		}
		if p.from != name {
			return nil, fmt.Errorf("%s is of the split %s, and so is %s; keep one of them in the folder", name, kind, p.from)
		}
		return p, nil
	}
	err = read(in, func(list string, e *element) error {
		kind := kind
		if e.Split != "" {
			if kind = shape.NameOf(e.Split); kind == "" {
				return fmt.Errorf("the split is %q, want train, restval, val or test", e.Split)
			}
		}
		p, err := mine(kind)
		if err != nil {
			return err
		}
		switch list {
		case "images":
			return p.addPicture(place, e)
		case "annotations":
			return p.addAnnotation(place, e)
		}
		return p.addListed(place, e)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", place, err)
	}
	return nil
}

// addPicture adds a picture of COCO or Karpathy, this with its captions.
func (p *part) addPicture(place string, e *element) error {
	raw := slices.Concat(e.ID, e.CocoID)
	if len(raw) == 0 {
		raw = e.ImgID
	}
	name := e.FileName
	if name == "" {
		name = path.Join(e.Filepath, e.Filename)
	}
	switch {
	case len(raw) == 0:
		return fmt.Errorf("no field id, cocoid or imgid")
	case name == "":
		return fmt.Errorf("no field file_name or filename")
	}
	key := string(raw)
	if _, ok := p.at[key]; ok {
		return fmt.Errorf("a second picture with the id %.40s", key)
	}
	p.put(key, name, raw)
	for _, s := range e.Sentences {
		p.addText(place, key, s.Raw, s.SentID)
	}
	return nil
}

func (p *part) put(key, name string, id []byte) {
	n, ok := number(id)
	p.at[key] = len(p.pictures)
	p.pictures = append(p.pictures, picture{name, n, ok})
}

func (p *part) addAnnotation(place string, e *element) error {
	texts, err := e.captions()
	switch {
	case err != nil:
		return err
	case len(e.ImageID) == 0:
		return fmt.Errorf("no field image_id")
	}
	for _, text := range texts {
		p.addText(place, string(e.ImageID), text, e.ID)
	}
	return nil
}

// addListed adds captions that name their picture by its path.
func (p *part) addListed(place string, e *element) error {
	texts, err := e.captions()
	switch {
	case err != nil:
		return err
	case e.Image == "":
		return fmt.Errorf("no field image")
	}
	if _, ok := p.at[e.Image]; !ok {
		p.put(e.Image, e.Image, e.ImageID)
	}
	for _, text := range texts {
		p.addText(place, e.Image, text, nil)
	}
	return nil
}

func (p *part) addText(place, of, text string, id []byte) {
	text, reason := shape.Clean(text)
	if reason != "" {
		p.leftOut.Add(place, "picture "+of+": "+reason)
		return
	}
	n, ok := number(id)
	p.captions = append(p.captions, caption{of, text, n, ok})
}

// split gives every picture its file.
func (p *part) split(name, kind, dir string, found *pictures) (*shape.Split, error) {
	s := shape.NewSplit(name, kind)
	s.LeftOut = p.leftOut
	paths := make([]string, len(p.pictures))
	own := !slices.ContainsFunc(p.pictures, func(x picture) bool { return !x.hasID })
	var missing shape.LeftOut
	for i, x := range p.pictures {
		file, reason := found.find(x.path, p.from)
		if reason != "" {
			missing.Add(x.path, reason)
		}
		paths[i] = file
		if !own {
			x.id = int64(i + 1)
		}
		s.AddPicture(x.id)
	}
	if missing.Count > 0 {
		return nil, fmt.Errorf("%w: %s: %d of %d pictures are not in %s: %s; put them there, in any folder",
			shape.ErrFormat, filepath.Join(dir, p.from), missing.Count, len(p.pictures), dir, strings.Join(missing.First, ", "))
	}
	numbered := make(map[int64]bool, len(p.captions))
	for _, c := range p.captions {
		if c.hasID {
			numbered[c.id] = true
		}
	}
	var unknown shape.LeftOut
	for i, c := range p.captions {
		at, ok := p.at[c.of]
		if !ok {
			unknown.Add("image_id "+c.of, "no such picture")
			continue
		}
		if len(numbered) < len(p.captions) {
			c.id = int64(i + 1)
		}
		s.AddText(c.id, c.text, at)
	}
	if unknown.Count > 0 {
		return nil, fmt.Errorf("%w: %s: %d captions are of pictures that its images do not list: %s",
			shape.ErrFormat, filepath.Join(dir, p.from), unknown.Count, strings.Join(unknown.First, ", "))
	}
	s.Place = func(i int) string { return filepath.Join(dir, filepath.FromSlash(paths[i])) }
	s.Read = func(i int) ([]byte, error) {
		in, err := regular.Open(s.Place(i))
		if err != nil {
			return nil, err
		}
		defer in.Close()
		return io.ReadAll(io.LimitReader(in, shape.MaxPicture+1))
	}
	return s, nil
}

// pictures are those below a folder, by their last names.
type pictures struct{ byPath, byFolder, byName map[string]string } // byFolder: folder/name; "" where two have it

func list(dir string) (*pictures, error) {
	paths, err := shape.List(dir, imaging.Endings...)
	if err != nil {
		return nil, err
	}
	p := &pictures{make(map[string]string, len(paths)), make(map[string]string, len(paths)), make(map[string]string, len(paths))}
	once := func(in map[string]string, key, value string) {
		if _, taken := in[key]; taken {
			value = ""
		}
		in[key] = value
	}
	for _, f := range paths {
		once(p.byPath, f, f)
		once(p.byFolder, path.Join(path.Base(path.Dir(f)), path.Base(f)), f)
		once(p.byName, path.Base(f), f)
	}
	return p, nil
}

// find finds the file that annotations mean by name.
func (p *pictures) find(name, annotations string) (file, reason string) {
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	base := path.Base(name)
	_, of, _ := strings.Cut(strings.TrimSuffix(path.Base(annotations), ".json"), "_") // train2017
	for _, key := range []string{path.Join(path.Base(path.Dir(name)), base), path.Join(of, base)} {
		if file := p.byPath[name]; file != "" {
			return file, ""
		}
		if file := p.byFolder[key]; file != "" {
			return file, ""
		}
	}
	file, ok := p.byName[base]
	if ok && file == "" {
		return "", "two pictures have this name; give the path in the file, or a folder " + of + " to one of them"
	}
	if !ok {
		return "", "not there"
	}
	return file, ""
}
