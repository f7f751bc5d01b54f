package dataset

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"clipnb/clipkit/dataset/lmdb"
	"clipnb/clipkit/internal/atomicfile"
)

// LMDBOptions are for [BuildLMDB] and [WriteLMDB]; the zero value will do.
type LMDBOptions struct {
	// MapSize is how many bytes of the file are mapped into memory at first; default 64 MiB. It doubles whenever it is full, so that
	// no system is asked for the reference's 1 TiB, which Windows and small disks refuse.
	MapSize int64
	// Progress is told after every commit how many of a split's entries are written: pairs, pictures and the two counts. It may be nil.
	Progress func(split string, done, total int)
}

// LMDBSize is what a build wrote.
type LMDBSize struct {
	Split         string
	Images, Pairs int
}

// A transaction holds as many entries as the reference's (cn_clip/preprocess/build_lmdb_dataset.py:70 and :88).
const (
	commitPairs  = 5000
	commitImages = 1000
)

// BuildLMDB is the reference's cn_clip/preprocess/build_lmdb_dataset.py: it makes <out>/<split>/{pairs,imgs} of the tsv and jsonl of each
// split in dir. A split that is named twice is built once. Without splits it builds those of train, valid and test that dir has; without out
// it builds in <dir>/lmdb.
//
// All splits are read and checked before the first is written: duplicate ids, image_ids without a picture and bad lines are errors that
// name file and line, where the reference builds an LMDB that fails in training.
func BuildLMDB(ctx context.Context, dir string, splits []string, out string, o LMDBOptions) ([]LMDBSize, error) {
	if out == "" {
		out = filepath.Join(dir, "lmdb")
	}
	if len(splits) == 0 {
		for _, name := range []string{"train", "valid", "test"} {
			if exists(filepath.Join(dir, name+"_imgs.tsv")) {
				splits = append(splits, name)
			}
		}
		if len(splits) == 0 {
			return nil, fmt.Errorf("%w: no {train,valid,test}_imgs.tsv in %s, so there is nothing to build an LMDB of", ErrNotFound, dir)
		}
	}
	var sources []Source
	defer func() {
		for _, s := range sources {
			s.Close()
		}
	}()
	seen := make(map[string]bool)
	for _, name := range splits {
		if name == "" || name != filepath.Base(name) || name[0] == '.' {
			return nil, fmt.Errorf("building LMDB: %q is not the name of a split; want names such as train,valid,test", name)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		s, err := OpenTSV(name, filepath.Join(dir, name+"_imgs.tsv"), filepath.Join(dir, name+"_texts.jsonl"))
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	var sizes []LMDBSize
	for _, s := range sources {
		size, err := WriteLMDB(ctx, s, filepath.Join(out, s.Name()), o)
		if err != nil {
			return sizes, err
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// WriteLMDB writes one split as dir/{pairs,imgs}, which the reference reads too. It is built beside dir and takes its place when it is
// whole; what dir held before goes as a whole, so that no key of an earlier build survives. One build of a dir at a time.
//
// Captions without pictures have no place in an LMDB: keep the jsonl of a split that has such.
func WriteLMDB(ctx context.Context, s Source, dir string, o LMDBOptions) (LMDBSize, error) {
	parent, base := filepath.Dir(dir), filepath.Base(dir)
	building, old := filepath.Join(parent, "."+base+".building"), filepath.Join(parent, "."+base+".old")
	fail := func(err error) (LMDBSize, error) {
		return LMDBSize{}, fmt.Errorf("building LMDB %s of %s: %w", dir, s.Name(), err)
	}
	for _, left := range []string{building, old} { // by a build that was killed
		if err := os.RemoveAll(left); err != nil {
			return fail(err)
		}
	}
	defer os.RemoveAll(building)
	pairs := Pairs(s)
	images := make(map[int64]bool, len(s.ImageIDs()))
	for _, id := range s.ImageIDs() {
		images[id] = true
	}
	for i, p := range pairs {
		if !images[p.ImageID] {
			return fail(fmt.Errorf("%w: pair %d names image %d, which is not in the split", ErrNotFound, i, p.ImageID))
		}
	}
	size := LMDBSize{Split: s.Name(), Images: len(s.ImageIDs()), Pairs: len(pairs)}
	done := 0
	progress := func(n int) {
		if done += n; o.Progress != nil {
			o.Progress(s.Name(), done, size.Pairs+size.Images+2)
		}
	}
	err := lmdb.Write(ctx, filepath.Join(building, "pairs"), lmdb.Options{MapSize: o.MapSize, Commit: commitPairs, Written: progress}, func(put func(key string, value []byte) error) error {
		for i, p := range pairs {
			value, err := appendPair(nil, p)
			if err != nil {
				return fmt.Errorf("pair %d (image %d, text %d): %w", i, p.ImageID, p.TextID, err)
			}
			if err := put(strconv.Itoa(i), value); err != nil {
				return err
			}
		}
		return put(keySamples, []byte(strconv.Itoa(len(pairs))))
	})
	if err != nil {
		return fail(err)
	}
	err = lmdb.Write(ctx, filepath.Join(building, "imgs"), lmdb.Options{MapSize: o.MapSize, Commit: commitImages, Written: progress}, func(put func(key string, value []byte) error) error {
		for _, id := range s.ImageIDs() {
			picture, err := s.Image(id)
			if err != nil {
				return err
			}
			value := base64.StdEncoding.AppendEncode(nil, picture)
			if len(value) > maxImageLine {
				return fmt.Errorf("%w: image %d has %d bytes, want at most %d", ErrFormat, id, len(picture), maxImageLine/4*3)
			}
			if err := put(strconv.FormatInt(id, 10), value); err != nil {
				return err
			}
		}
		return put(keyImages, []byte(strconv.Itoa(size.Images)))
	})
	if err != nil {
		return fail(err)
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fail(err)
	}
	if err := os.Rename(building, dir); err != nil {
		return fail(errors.Join(err, os.Rename(old, dir)))
	}
	if err := os.RemoveAll(old); err != nil {
		return fail(err)
	}
	if err := atomicfile.SyncDir(parent); err != nil {
		return fail(err)
	}
	return size, nil
}
