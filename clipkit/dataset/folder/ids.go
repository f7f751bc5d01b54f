package folder

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"

	"clipnb/clipkit/dataset/shape"
)

// IDs gives each picture an id that is made of its path, size and time, so that it stays as it is while others come and go; root is os.OpenRoot(f.Dir).
// at tells for each id which of f.Pictures it is. A link that leads to no picture has none, nor has a file that has just gone.
func (f *Folder) IDs(root *os.Root) (ids []int64, at map[int64]int) {
	at = make(map[int64]int, len(f.Pictures))
	for i, path := range f.Pictures {
		info, err := Stat(root, f.Dir, path)
		if err != nil {
			continue
		}
		id := number(fmt.Appendf(nil, "%s\x00%d\x00%d", path, info.Size(), info.ModTime().UnixNano()))
		for _, taken := at[id]; taken; _, taken = at[id] {
			id++
		}
		ids, at[id] = append(ids, id), i
	}
	return ids, at
}

// Captions gives captions, whose image ids are 1 for the first of f.Pictures and so on, the ids of IDs, and ids of their own that are made of their
// picture's and their words. Those of a picture without an id are left out.
func Captions(texts []shape.Text, at map[int64]int) []shape.Text {
	ids := make(map[int64]int64, len(at))
	for id, i := range at {
		ids[int64(i+1)] = id
	}
	taken := make(map[int64]bool, len(texts))
	var out []shape.Text
	for _, t := range texts {
		picture, is := ids[t.ImageIDs[0]]
		if !is {
			continue
		}
		id := number(fmt.Appendf(nil, "%d\x00%s", picture, t.Text))
		for taken[id] {
			id++
		}
		taken[id] = true
		out = append(out, shape.Text{ID: id, Text: t.Text, ImageIDs: []int64{picture}})
	}
	return out
}

// number has 52 bits: programs that read numbers as float64 keep all of them.
func number(of []byte) int64 {
	sum := sha256.Sum256(of)
	return int64(binary.BigEndian.Uint64(sum[:]) >> 12)
}
