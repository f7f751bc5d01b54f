package dataset

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"clipnb/clipkit/dataset/lmdb"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pybase64"
)

// LMDBOptions are for [BuildLMDB] and [WriteLMDB]; the zero value will do.
type LMDBOptions struct {
	// MapSize is how many bytes of the file are mapped into memory at first; default 64 MiB. It doubles whenever it is full, so that
	// no system is asked for the reference's 1 TiB, which Windows and small disks refuse.
	MapSize int64
	// Reading is told each split before its files are read and checked, which takes a minute from a slow disk; may be nil.
	Reading func(split, imgs string)
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
		imgs := filepath.Join(dir, name+"_imgs.tsv")
		if o.Reading != nil {
			o.Reading(name, imgs)
		}
		s, err := OpenTSV(name, imgs, filepath.Join(dir, name+"_texts.jsonl"))
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	debug.FreeOSMemory() // what reading left, before pages of LMDBs come
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
	order := lmdb.ByDigits(len(pairs))
	var key, value []byte // of an entry, until the next
	err := lmdb.Write(ctx, filepath.Join(building, "pairs"), lmdb.Options{MapSize: o.MapSize, Commit: commitPairs, Sorted: true, Written: progress}, len(pairs)+1, func(i int) (_, _ []byte, err error) {
		if i == len(pairs) {
			return []byte(keySamples), strconv.AppendInt(nil, int64(i), 10), nil
		}
		i = int(order[i])
		p := pairs[i]
		if value, err = appendPair(value[:0], p); err != nil {
			err = fmt.Errorf("pair %d (image %d, text %d): %w", i, p.ImageID, p.TextID, err)
		}
		key = strconv.AppendInt(key[:0], int64(i), 10)
		return key, value, err
	})
	if err != nil {
		return fail(err)
	}
	ids := s.ImageIDs()
	encoded := base64Of(s)
	err = lmdb.Write(ctx, filepath.Join(building, "imgs"), lmdb.Options{MapSize: o.MapSize, Commit: commitImages, Written: progress}, len(ids)+1, func(i int) (_, _ []byte, err error) {
		if i == len(ids) {
			return []byte(keyImages), strconv.AppendInt(nil, int64(i), 10), nil
		}
		if value, err = encoded(ids[i], value); err == nil && len(value) > maxImageLine {
			err = fmt.Errorf("%w: image %d has %d bytes, want at most %d", ErrFormat, ids[i], len(value)/4*3, maxImageLine/4*3)
		}
		key = strconv.AppendInt(key[:0], ids[i], 10)
		return key, value, err
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

// base64Of gives pictures as an LMDB holds them, in standard base64; buf may be used for the result. Where they are stored so, as in most tsv files, they are
// neither decoded nor encoded.
func base64Of(s Source) func(id int64, buf []byte) ([]byte, error) {
	if l, ok := s.(located); ok {
		s = l.Source
	}
	stored, _ := s.(*storedSource)
	return func(id int64, buf []byte) (encoded []byte, err error) {
		var picture []byte
		if stored == nil {
			picture, err = s.Image(id)
		} else if encoded, err = stored.encoded(id, buf); err == nil {
			if pybase64.Plain(encoded) {
				var head [3]byte
				if n, _ := base64.StdEncoding.Decode(head[:], encoded[:4]); pythonBytes(head[:n]) == "" {
					return encoded, nil
				}
			}
			picture, err = stored.decoded(id, encoded)
		}
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.AppendEncode(buf[:0], picture), nil
	}
}
