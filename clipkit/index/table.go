package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"clipnb/clipkit/internal/mapping"
	"clipnb/clipkit/internal/regular"

	"github.com/edsrzf/mmap-go"
)

// table is what the log of a Folder says up to byte end.
type table struct {
	dir    string
	header header
	file   *os.File // the log
	info   os.FileInfo
	end    int64

	vectors *os.File
	mapped  mmap.MMap // longer than the file, so that it seldom needs to be mapped again

	ids    []int64
	at     map[int64]int32 // row of each ID
	alive  []uint16        // a bit for each row of a panel
	set    []int32         // tags of each row
	sets   []map[string]string
	number map[string]int32 // of a set in sets, by its JSON
}

// load reads a folder. The writer of another process may replace the files at any moment, so it tries again.
func load(dir string) (t *table, err error) {
	for range 5 {
		if t, err = loadOnce(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
	}
	if _, other := os.Stat(filepath.Join(dir, logName)); errors.Is(other, fs.ErrNotExist) {
		return nil, fmt.Errorf("it holds no %s, so it is no index; make one with index.Create: %w", logName, err)
	}
	return nil, err
}

func loadOnce(dir string) (_ *table, err error) {
	t := &table{dir: dir, at: map[int64]int32{}, number: map[string]int32{}}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.file, err = regular.OpenFile(filepath.Join(dir, logName), os.O_RDWR, 0); errors.Is(err, fs.ErrPermission) {
		t.file, err = regular.Open(filepath.Join(dir, logName)) // enough to search
	}
	if err != nil {
		return nil, err
	}
	if t.info, err = t.file.Stat(); err != nil {
		return nil, err
	}
	bodies, err := t.unread()
	if err != nil {
		return nil, err
	}
	if len(bodies) == 0 {
		return nil, fmt.Errorf("%w: %s begins with no good line", ErrFormat, logName)
	}
	if t.header, err = parseHeader(bodies[0]); err != nil {
		return nil, err
	}
	t.end = width(bodies[0])
	path := filepath.Join(dir, t.header.Vectors)
	if t.vectors, err = regular.OpenFile(path, os.O_RDWR, 0); errors.Is(err, fs.ErrPermission) {
		t.vectors, err = regular.Open(path)
	}
	if err != nil {
		return nil, err
	}
	return t, t.guard(func() error { return t.apply(bodies[1:]) })
}

func (t *table) close() error {
	var errs []error
	if t.mapped != nil {
		errs = append(errs, t.mapped.Unmap())
	}
	for _, f := range []*os.File{t.file, t.vectors} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// errReplaced says that the log is another file than the one that was read, or a shorter one.
var errReplaced = errors.New("the log was replaced")

// current tells whether the log is as it was read.
func (t *table) current() bool {
	info, err := os.Stat(t.file.Name())
	return err == nil && os.SameFile(info, t.info) && info.Size() == t.end
}

// readOn applies what was added to the log.
func (t *table) readOn() error {
	info, err := os.Stat(t.file.Name())
	if err != nil {
		return err
	}
	if !os.SameFile(info, t.info) || info.Size() < t.end {
		return errReplaced
	}
	bodies, err := t.unread()
	if err != nil {
		return err
	}
	return t.guard(func() error { return t.apply(bodies) })
}

// unread gives the lines behind t.end.
func (t *table) unread() (bodies [][]byte, err error) {
	data, err := io.ReadAll(io.NewSectionReader(t.file, t.end, maxLog))
	if err != nil {
		return nil, err
	}
	if len(data) == maxLog {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrFormat, logName, maxLog)
	}
	return whole(data)
}

// apply does what the lines behind t.end say.
func (t *table) apply(bodies [][]byte) error {
	for _, b := range bodies {
		rec, err := parseRecord(b)
		if err != nil {
			return err
		}
		if err := t.add(rec); err != nil {
			return err
		}
		for _, id := range rec.Delete {
			t.drop(id)
		}
		t.end += width(b)
	}
	return nil
}

func (t *table) add(rec record) error {
	if len(rec.IDs) == 0 {
		return nil
	}
	first, size := len(t.ids), 4*t.header.Dim
	if err := t.reach((first + len(rec.IDs)) * size); err != nil {
		return err
	}
	if sum := crc32.Checksum(t.mapped[first*size:(first+len(rec.IDs))*size], castagnoli); sum != rec.Sum {
		return fmt.Errorf("%w: rows %d to %d of %s have checksum %08x, the log says %08x: the file is damaged; build the index again",
			ErrFormat, first, first+len(rec.IDs)-1, t.header.Vectors, sum, rec.Sum)
	}
	numbers := make([]int32, len(rec.Sets))
	for i, tags := range rec.Sets {
		numbers[i] = t.intern(tags)
	}
	for i, id := range rec.IDs {
		t.drop(id)
		row := len(t.ids)
		t.ids, t.at[id] = append(t.ids, id), int32(row)
		if row%panelRows == 0 {
			t.alive = append(t.alive, 0)
		}
		t.alive[row/panelRows] |= 1 << (row % panelRows)
		if len(rec.Set) == 0 {
			t.set = append(t.set, t.intern(nil))
		} else {
			t.set = append(t.set, numbers[rec.Set[i]])
		}
	}
	return nil
}

// reach maps the file up to size bytes.
func (t *table) reach(size int) error {
	if info, err := t.vectors.Stat(); err != nil || info.Size() < int64(size) {
		return errors.Join(err, fmt.Errorf("%w: %s is shorter than the %d bytes that the log speaks of; build the index again", ErrFormat, t.header.Vectors, size))
	}
	if size <= len(t.mapped) {
		return nil
	}
	mapped, err := mmap.MapRegion(t.vectors, max(2*size, 1<<20), mmap.RDONLY, 0, 0)
	if err != nil {
		return fmt.Errorf("mapping %s: %w", t.header.Vectors, err)
	}
	if t.mapped != nil {
		err = t.mapped.Unmap()
	}
	t.mapped = mapped
	return err
}

// guard runs work, which reads the mapped vectors. Where another program has cut their file short, that is an error and not the end of this one.
func (t *table) guard(work func() error) error {
	err := mapping.Guard(work)
	if err == nil {
		err = mapping.Check(t.vectors, int64(len(t.ids))*4*int64(t.header.Dim)) // what was cut off within a page reads as zeros
	}
	if errors.Is(err, mapping.ErrCut) {
		return fmt.Errorf("%w: %s: %w; build the index again", ErrFormat, filepath.Join(t.dir, t.header.Vectors), err)
	}
	return err
}

// drop takes an ID out, if it is there.
func (t *table) drop(id int64) {
	if row, ok := t.at[id]; ok {
		t.alive[row/panelRows] &^= 1 << (row % panelRows)
		delete(t.at, id)
	}
}

func (t *table) intern(tags map[string]string) int32 {
	key := ""
	if len(tags) > 0 {
		b, _ := json.Marshal(tags) // strings: always has a form, with the names in order
		key = string(b)
	}
	n, ok := t.number[key]
	if !ok {
		n = int32(len(t.sets))
		t.sets, t.number[key] = append(t.sets, tags), n
	}
	return n
}

// values are all rows, dead ones too.
func (t *table) values() []float32 {
	n := len(t.ids) * t.header.Dim
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&t.mapped[0])), n)
}

// filtered is the set of rows that are alive and have all tags of a filter.
func (t *table) filtered(filter map[string]string) *Exact {
	x := &Exact{dim: t.header.Dim, ids: t.ids, vectors: t.values(), mask: t.alive, mapped: true}
	if len(filter) == 0 {
		return x
	}
	has := make([]bool, len(t.sets))
	for i, tags := range t.sets {
		has[i] = true
		for name, want := range filter {
			if value, ok := tags[name]; !ok || value != want {
				has[i] = false
			}
		}
	}
	x.mask = make([]uint16, len(t.alive))
	for row, set := range t.set {
		if has[set] {
			x.mask[row/panelRows] |= 1 << (row % panelRows)
		}
	}
	for p := range x.mask {
		x.mask[p] &= t.alive[p]
	}
	return x
}
