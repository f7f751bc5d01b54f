package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"clipnb/clipkit/dataset/lmdb"
)

// Keys of the LMDBs that are no index and no id.
const (
	keySamples = "num_samples"
	keyImages  = "num_images"
)

// OpenLMDB opens one split as build_lmdb_dataset.py or [WriteLMDB] wrote it: dir holds pairs/ and imgs/, and ImageIDs are in key order, which
// is that of the decimal digits. texts names the jsonl that it was built from: only that has the captions without pictures, and it must agree
// with the LMDB in the others. With "" the split has the captions that have pictures.
//
// A rebuild by the reference leaves the keys of the build before: pairs beyond num_samples are not read, as there; pictures beyond num_images
// are an error, because evaluation would search them. Fewer pictures than num_images are accepted, because duplicate ids in the tsv make the
// reference count too many.
func OpenLMDB(name, dir, texts string) (Source, error) {
	pairs, err := readPairs(filepath.Join(dir, "pairs", "data.mdb"))
	if err != nil {
		return nil, err
	}
	captions, captionPlace, err := captionsOf(pairs, dir, texts)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "imgs", "data.mdb")
	f, err := openLMDBFile(path)
	if err != nil {
		return nil, err
	}
	s := &storedSource{name: name, imgs: file{path, f}, texts: captions, lmdb: true, close: sync.OnceValue(f.Close)}
	if s.ids, s.at, err = indexLMDB(path, f); err == nil {
		err = s.checkImages(captionPlace)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func openLMDBFile(path string) (*lmdb.File, error) {
	f, err := lmdb.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s; the LMDB of a split is two folders, pairs and imgs, with a data.mdb each: build it again", ErrNotFound, path)
	}
	return f, formatError(err)
}

// formatError makes a damaged file, and one that somebody writes, an ErrFormat of this package.
func formatError(err error) error {
	if errors.Is(err, lmdb.ErrFormat) || errors.Is(err, lmdb.ErrChanged) {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return err
}

// readPairs reads the pairs in the order of their index.
func readPairs(path string) ([]Pair, error) {
	f, err := openLMDBFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	type numbered struct {
		index int64
		pair  Pair
	}
	var numbers []numbered
	count := int64(-1)
	var value []byte
	err = f.Walk(func(key []byte, offset, length int64) error {
		if length > 2*maxTextLine {
			return fmt.Errorf("%w: %s: key %.20q has %d bytes, want at most %d", ErrFormat, path, key, length, 2*maxTextLine)
		}
		value = slices.Grow(value[:0], int(length))[:length]
		if err := f.Read(value, offset); err != nil {
			return err
		}
		if string(key) == keySamples {
			count, err = parseCount(path, keySamples, value)
			return err
		}
		index, err := parseKey(path, key)
		if err != nil {
			return err
		}
		pair, err := parsePair(value)
		if err != nil {
			return fmt.Errorf("%w: %s: pair %d: %w", ErrFormat, path, index, err)
		}
		numbers = append(numbers, numbered{index, pair})
		return nil
	})
	if err != nil {
		return nil, formatError(err)
	}
	slices.SortFunc(numbers, func(a, b numbered) int { return cmp.Compare(a.index, b.index) })
	if count < 0 {
		return nil, fmt.Errorf("%w: %s: no key %s; the build was not finished: build it again", ErrFormat, path, keySamples)
	}
	pairs := make([]Pair, 0, len(numbers))
	for i, n := range numbers[:min(count, int64(len(numbers)))] {
		if n.index != int64(i) {
			break
		}
		pairs = append(pairs, n.pair)
	}
	if int64(len(pairs)) < count {
		return nil, fmt.Errorf("%w: %s: %s is %d, but pair %d is missing: build it again", ErrFormat, path, keySamples, count, len(pairs))
	}
	return pairs, nil
}

func parseKey(path string, key []byte) (int64, error) {
	n, err := strconv.ParseInt(string(key), 10, 64)
	if err == nil && n >= 0 && key[0] == '0' && len(key) > 1 {
		return 0, fmt.Errorf("%w: %s: key %.40q, want a decimal integer without leading zeros: write it as %d and build again", ErrFormat, path, key, n)
	}
	if err != nil || strconv.FormatInt(n, 10) != string(key) { // "007" and "7" would be one number
		return 0, fmt.Errorf("%w: %s: key %.40q, want a decimal integer; number the ids in the tsv and jsonl and build again", ErrFormat, path, key)
	}
	return n, nil
}

func parseCount(path, key string, value []byte) (int64, error) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s: %s is %.40q, want a count", ErrFormat, path, key, value)
	}
	return n, nil
}

// indexLMDB finds the pictures. Only the tree is read, not the pictures.
func indexLMDB(path string, f *lmdb.File) (ids []int64, at map[int64]extent, err error) {
	at = make(map[int64]extent)
	count := int64(-1)
	err = f.Walk(func(key []byte, offset, length int64) error {
		if length > maxImageLine {
			return fmt.Errorf("%w: %s: key %.20q has %d bytes, want at most %d MiB", ErrFormat, path, key, length, maxImageLine>>20)
		}
		if string(key) == keyImages {
			value := make([]byte, min(length, 40))
			if err := f.Read(value, offset); err != nil {
				return err
			}
			count, err = parseCount(path, keyImages, value)
			return err
		}
		id, err := parseKey(path, key)
		if err != nil {
			return err
		}
		ids = append(ids, id)
		at[id] = extent{offset: offset, length: int32(length)}
		return nil
	})
	switch {
	case err != nil:
		return nil, nil, formatError(err)
	case count < 0:
		return nil, nil, fmt.Errorf("%w: %s: no key %s; the build was not finished: build it again", ErrFormat, path, keyImages)
	case count < int64(len(ids)):
		return nil, nil, fmt.Errorf("%w: %s holds %d pictures, but %s is %d: the others are left over from an earlier build; delete the folder and build it again",
			ErrFormat, path, len(ids), keyImages, count)
	case len(ids) == 0:
		return nil, nil, fmt.Errorf("%w: %s holds no pictures", ErrFormat, path)
	}
	return ids, at, nil
}

// captionsOf gathers the pairs into captions, or reads these from the jsonl and compares. captionPlace names a caption for messages.
func captionsOf(pairs []Pair, dir, texts string) (captions []Text, captionPlace func(int) string, err error) {
	if texts != "" {
		f, err := openFile(texts)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		if captions, err = readTexts(texts, f); err != nil {
			return nil, nil, err
		}
		i := 0
		for line, text := range captions {
			for _, id := range text.ImageIDs {
				if i >= len(pairs) || pairs[i] != (Pair{id, text.ID, text.Text}) {
					return nil, nil, fmt.Errorf("%w: %s:%d is not what pair %d in %s says; one of them has changed since the LMDB was built: build it again, or delete it",
						ErrFormat, texts, line+1, i, dir)
				}
				i++
			}
		}
		if i != len(pairs) {
			return nil, nil, fmt.Errorf("%w: %s makes %d pairs, but %s holds %d; one of them has changed since the LMDB was built: build it again, or delete it",
				ErrFormat, texts, i, dir, len(pairs))
		}
		return captions, func(text int) string { return fmt.Sprintf("%s:%d", texts, text+1) }, nil
	}
	first := make(map[int64]int) // text id → pair
	for i, p := range pairs {
		if i > 0 && p.TextID == pairs[i-1].TextID && p.Text == pairs[i-1].Text {
			last := &captions[len(captions)-1]
			last.ImageIDs = append(last.ImageIDs, p.ImageID)
			continue
		}
		if j, ok := first[p.TextID]; ok {
			return nil, nil, fmt.Errorf("%w: %s: text id %d of pair %d is already that of pair %d; give every caption its own text_id in the jsonl and build again",
				ErrFormat, dir, p.TextID, i, j)
		}
		first[p.TextID] = i
		captions = append(captions, Text{ID: p.TextID, Text: p.Text, ImageIDs: []int64{p.ImageID}})
	}
	return captions, func(text int) string { return fmt.Sprintf("%s: text %d", dir, captions[text].ID) }, nil
}
