// Package parquet reads data sets from parquet files with the pictures inside, as Hugging Face has them and img2dataset can write them.
//
//	splits, err := parquet.Open("photos", dir, []string{"data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"})
//
// A row is a picture with its captions. The picture's column is called image, jpg or one of the other names of [Images]; it is binary, or a struct
// with a binary field bytes as the datasets library writes it. The captions' is one of captions.TextNames, a string or a list of strings. A column
// split parts the rows of a file (train, restval, val, test), as some sets have all of theirs in one; else the files' names do.
//
// Opening reads the captions and the headers of the pictures' pages. A picture takes 8 bytes of memory, and reading it reads the page that it lies in;
// cacheBytes of pages are kept, so that pictures in file order are unpacked once. In shuffled order nearly every picture unpacks its page, of which
// the datasets library makes one for every 100 pictures: 1.9 ms were measured for a picture of 60 kB, and 0.17 in file order, which is less
// than decoding takes. Where training waits for it all the same, write smaller pages (pyarrow's write_batch_size=4) or an LMDB (dataset.WriteLMDB).
//
// # Bytes from outside
//
// Metadata is walked before the library makes lists of it, pages are bounded before they are unpacked, and a panic in the library is an error. A file has at
// least 16 bytes for each row, and equal captions of a page share memory, so opening takes at most 24 times the file's size: 510 MB were measured for two
// million rows that stand in 32 MB (package internal/faults).
// Rows without picture or caption are left out and counted; damaged files are an error that names the file and the page.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/dataset/shape"

	pq "github.com/parquet-go/parquet-go"
)

// Images are the names of the pictures' column, in order of preference.
var Images = []string{"image", "images", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "bytes"}

// listItems are what writers call the items of a list; raw is a caption in the lists of COCO on Hugging Face.
var listItems = []string{"element", "item", "array", "array_element"}

// set is the files of a data set and the pages of them that were read last.
type set struct {
	files  []*file
	splits map[string]*shape.Split
	rows   map[string]*[]row // of the pictures of a split
	pages  *pageCache
}

// row is where a picture is.
type row struct{ file, number int32 }

// file is a parquet file with where its pictures are. It is open only while it is read.
type file struct {
	shape.File
	groups []group
}

// group is a row group: rows of a file whose columns lie together.
type group struct {
	rows     int64
	pictures *column
}

func init() { shape.Parquet = Open }

// Open opens the files, which are paths below dir, as the splits that their names or their column split say.
func Open(name, dir string, files []string) ([]*shape.Split, error) {
	of, err := shape.ByName(dir, files)
	if err != nil {
		return nil, err
	}
	s := &set{splits: make(map[string]*shape.Split), rows: make(map[string]*[]row), pages: newPageCache()}
	kinds := []string{"train", "valid", "test"}
	for _, kind := range kinds {
		split, rows := shape.NewSplit(name, kind), new([]row)
		split.Read = func(i int) ([]byte, error) { return s.read((*rows)[i]) }
		split.Place = func(i int) string {
			r := (*rows)[i]
			return fmt.Sprintf("%s, row %d", s.files[r.file].Path, r.number+1)
		}
		s.splits[kind], s.rows[kind] = split, rows
	}
	for _, kind := range kinds {
		for _, f := range of[kind] {
			path := filepath.Join(dir, filepath.FromSlash(f))
			if err := s.add(path, kind); err != nil {
				return nil, fmt.Errorf("opening %s: %w", path, shape.Wrong(err))
			}
		}
	}
	return shape.Finish(s.splits["train"], s.splits["valid"], s.splits["test"])
}

// add reads the captions of a file and where its pictures are.
func (s *set) add(path, kind string) (err error) {
	stat, err := shape.Stat(path)
	if err != nil {
		return err
	}
	in, err := stat.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	defer func() {
		if r := recover(); r != nil { // the library meets what it does not expect
			err = fmt.Errorf("damaged: %v", r)
		}
	}()
	f, err := openFile(in, stat.Size)
	if err != nil {
		return err
	}
	columns, err := findColumns(f)
	if err != nil {
		return err
	}
	added := &file{File: stat}
	s.files = append(s.files, added)
	for i, meta := range f.Metadata().RowGroups {
		chunks := f.RowGroups()[i].ColumnChunks()
		index := func(leaf pq.LeafColumn) (*column, error) {
			c, err := indexColumn(in, stat.Size, chunks[leaf.ColumnIndex].(*pq.FileColumnChunk), &meta.Columns[leaf.ColumnIndex].MetaData)
			if err != nil {
				return nil, fmt.Errorf("row group %d, column %s: %w", i, strings.Join(leaf.Path, "."), err)
			}
			return c, nil
		}
		texts := func(leaf pq.LeafColumn) ([][]string, error) {
			c, err := index(leaf)
			if err != nil {
				return nil, err
			}
			return c.strings(in, meta.NumRows)
		}
		pictures, err := index(columns.pictures)
		if err != nil {
			return err
		}
		if n := meta.Columns[columns.pictures.ColumnIndex].MetaData.NumValues; n != meta.NumRows {
			return fmt.Errorf("row group %d: %d pictures in %d rows", i, n, meta.NumRows)
		}
		of, err := texts(columns.captions)
		if err != nil {
			return err
		}
		var kinds [][]string
		if columns.hasSplit {
			if kinds, err = texts(columns.split); err != nil {
				return err
			}
		}
		first := int64(0)
		for _, g := range added.groups {
			first += g.rows
		}
		added.groups = append(added.groups, group{meta.NumRows, pictures})
		for j, lines := range of {
			if kinds != nil {
				kind = shape.NameOf(strings.Join(kinds[j], ""))
			}
			s.addRow(kind, row{int32(len(s.files) - 1), int32(first + int64(j))}, lines)
		}
	}
	return nil
}

// minRow is the least that a file has for each row, nearly all of it in pictures: rows that take no bytes take memory.
const minRow = 16

// openFile reads the metadata, when it is what it says.
func openFile(in io.ReaderAt, size int64) (*pq.File, error) {
	var end [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%d bytes are no parquet file", size)
	}
	if _, err := in.ReadAt(end[:], size-8); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(end[:]))
	switch {
	case string(end[4:]) != "PAR1":
		return nil, errors.New("no PAR1 at its end; it is no parquet file, or cut off: download it again (a file of 130 bytes is a pointer of Git LFS)")
	case length > maxFooter || length > size-12:
		return nil, fmt.Errorf("%d bytes of metadata in a file of %d, want at most %d", length, size, maxFooter)
	}
	footer := make([]byte, length)
	if _, err := in.ReadAt(footer, size-8-length); err != nil {
		return nil, err
	}
	if n, err := structEnd(footer); err != nil || n != len(footer) {
		return nil, fmt.Errorf("%w: it ends after %d of %d bytes (%v)", errThrift, n, len(footer), err)
	}
	f, err := pq.OpenFile(in, size, pq.SkipPageIndex(true), pq.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if rows := f.NumRows(); rows < 0 || rows > min(size/minRow, shape.MaxSamples) {
		return nil, fmt.Errorf("%d rows in %d bytes, want at least %d bytes for a picture", rows, size, minRow)
	}
	rows := int64(0)
	for _, g := range f.Metadata().RowGroups {
		if rows += g.NumRows; g.NumRows < 0 || rows > f.NumRows() {
			return nil, fmt.Errorf("its row groups have more than its %d rows", f.NumRows())
		}
	}
	return f, nil
}

// columns are those that are read.
type columns struct {
	pictures, captions, split pq.LeafColumn
	hasSplit                  bool
}

func findColumns(f *pq.File) (c columns, err error) {
	var names []string
	for _, path := range f.Schema().Columns() {
		names = append(names, strings.Join(path, "."))
	}
	all := strings.Join(names[:min(len(names), 30)], ", ")
	pictures, ok := findColumn(f, Images, slices.Concat([]string{"bytes"}, listItems)...)
	if !ok {
		return c, fmt.Errorf("%w: the columns are %s; want a binary one of pictures: %s", shape.ErrFormat, all, strings.Join(Images, ", "))
	}
	if pictures.MaxRepetitionLevel > 0 {
		return c, fmt.Errorf("%w: column %s is a list; want one picture a row", shape.ErrFormat, strings.Join(pictures.Path, "."))
	}
	texts, ok := findColumn(f, captions.TextNames, slices.Concat([]string{"raw"}, listItems)...)
	if !ok {
		return c, fmt.Errorf("%w: the columns are %s; want one of captions, a string or a list of strings: %s", shape.ErrFormat, all, strings.Join(captions.TextNames, ", "))
	}
	c = columns{pictures: pictures, captions: texts}
	c.split, c.hasSplit = findColumn(f, []string{"split"})
	c.hasSplit = c.hasSplit && c.split.MaxRepetitionLevel == 0
	nulls, values := int64(0), int64(0)
	for _, g := range f.Metadata().RowGroups {
		m := g.Columns[pictures.ColumnIndex].MetaData
		nulls, values = nulls+m.Statistics.NullCount, values+m.NumValues
	}
	if values > 0 && nulls >= values {
		return c, fmt.Errorf("%w: column %s is null in all rows: only the paths of the pictures are in the file; write it with their bytes", shape.ErrFormat, strings.Join(pictures.Path, "."))
	}
	return c, nil
}

// findColumn finds the first of the names as a column of bytes, or as a list or struct that has such a column called one of inner.
func findColumn(f *pq.File, names []string, inner ...string) (pq.LeafColumn, bool) {
	for _, name := range names {
		for _, path := range f.Schema().Columns() {
			if !strings.EqualFold(path[0], name) || len(path) > 1 && !slices.Contains(inner, path[len(path)-1]) {
				continue
			}
			if leaf, ok := f.Schema().Lookup(path...); ok && leaf.Node.Type().Kind() == pq.ByteArray {
				leaf.Path = path // the library has its end alone
				return leaf, true
			}
		}
	}
	return pq.LeafColumn{}, false
}

// addRow adds a sample to its split, or counts it as left out.
func (s *set) addRow(kind string, r row, texts []string) {
	label := fmt.Sprintf("%s, row %d", s.files[r.file].Path, r.number+1)
	split, reason := s.splits[kind], "no caption"
	if split == nil {
		split, texts, reason = s.splits["train"], nil, "its column split names none of train, valid and test"
	}
	var good []string
	for _, text := range texts {
		if caption, why := shape.Clean(text); why != "" {
			reason = why
		} else {
			good = append(good, caption)
		}
	}
	if len(good) == 0 {
		split.LeftOut.Add(label, reason)
		return
	}
	split.Add(good...)
	rows := s.rows[kind]
	*rows = append(*rows, r)
}

// read reads a picture.
func (s *set) read(r row) ([]byte, error) {
	f := s.files[r.file]
	in := int64(r.number) // among the rows of its group
	g := 0
	for ; in >= f.groups[g].rows; g++ {
		in -= f.groups[g].rows
	}
	c := f.groups[g].pictures
	p := 0
	for ; in >= int64(c.pages[p].values); p++ {
		in -= int64(c.pages[p].values)
	}
	values, err := s.pages.get(pageKey{r.file, int32(g), int32(p)}, int(c.pages[p].size), func() ([]pq.Value, error) {
		open, err := f.Open()
		if err != nil {
			return nil, err
		}
		defer open.Close()
		return c.read(open, c.pages[p])
	})
	if err != nil {
		return nil, shape.Wrong(err)
	}
	return slices.Clone(values[in].ByteArray()), nil
}
