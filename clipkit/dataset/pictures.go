package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"clipnb/clipkit/dataset/folder"
	"clipnb/clipkit/dataset/skipped"
)

// Pictures are the picture files of a folder, without captions: a split to search, not to train on. An id is made of a file's path, size and
// time, so it stays as it is while others come and go, and a file that is changed has another.
type Pictures struct {
	folderSource
	Dir        string // absolute
	PassedOver string // how many files of what endings are not taken for pictures; "" for none
	at         map[int64]int
}

var _ Source = (*Pictures)(nil)

// OpenPictures opens the pictures in dir or below it. Hidden files, links to folders and links out of dir to what is no picture are passed over.
func OpenPictures(dir string) (*Pictures, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening pictures: %w", err)
	}
	listed, err := listPictures(dir)
	if err != nil {
		return nil, err
	}
	paths := listed.Pictures
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	p := &Pictures{Dir: dir, PassedOver: listed.PassedOver(), at: make(map[int64]int, len(paths))}
	p.folderSource = folderSource{name: filepath.Base(dir) + "/pictures", dir: dir, root: root, paths: paths, close: sync.OnceValue(root.Close)}
	p.mine = func(int64) bool { return true }
	for i, path := range paths {
		info, err := folder.Stat(root, dir, path)
		if err != nil {
			continue // a link that leads to no picture, or a file that has just gone
		}
		id := pictureID(path, info)
		for _, taken := p.at[id]; taken; _, taken = p.at[id] {
			id++
		}
		p.ids, p.at[id] = append(p.ids, id), i
	}
	return p, nil
}

// pictureID has 52 bits: programs that read numbers as float64 keep all of them.
func pictureID(path string, info fs.FileInfo) int64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", path, info.Size(), info.ModTime().UnixNano()))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 12)
}

// Image reads a picture file.
func (p *Pictures) Image(id int64) ([]byte, error) {
	i, ok := p.at[id]
	if !ok {
		return nil, fmt.Errorf("%w: picture %d in %s", ErrNotFound, id, p.Dir)
	}
	return p.folderSource.Image(int64(i + 1))
}

// Label is a picture's path below the folder.
func (p *Pictures) Label(id int64) string {
	if i, ok := p.at[id]; ok {
		return p.paths[i]
	}
	return ""
}

// Label names a picture for a person: by its path in the folder, or by its id in a source of no files.
func Label(s Source, id int64) string {
	if l, ok := s.(located); ok {
		s = l.Source
	}
	if l, ok := s.(interface{ Label(id int64) string }); ok {
		if name := l.Label(id); name != "" {
			return name
		}
	}
	return fmt.Sprintf("image %d", id)
}

// SkipBudget is how many bad pictures a job goes on without where nothing else is said.
const SkipBudget = skipped.Budget

// Skipped are those pictures.
type Skipped = skipped.Pictures
