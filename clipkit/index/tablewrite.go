package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"unsafe"

	"clipnb/clipkit/internal/atomicfile"
)

// cut removes what a writer that was killed has left behind the last line.
func (t *table) cut() error {
	info, err := t.file.Stat()
	if err == nil && info.Size() > t.end {
		err = t.file.Truncate(t.end)
	}
	return err
}

// append writes rows behind the last and then the line that makes them exist.
func (t *table) append(items []Item, vectors []float32) error {
	if len(t.ids)+len(items) > math.MaxInt32 {
		return fmt.Errorf("%w: more than %d rows", ErrShape, math.MaxInt32)
	}
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vectors))), 4*len(vectors))
	if _, err := t.vectors.WriteAt(raw, int64(len(t.ids))*4*int64(t.header.Dim)); err != nil {
		return err
	}
	if err := t.vectors.Sync(); err != nil {
		return err
	}
	return t.log(newRecord(items, crc32.Checksum(raw, castagnoli)))
}

func newRecord(items []Item, sum uint32) record {
	rec := record{Sum: sum}
	number, tagged := map[string]int{}, false
	for _, it := range items {
		key, _ := json.Marshal(it.Tags)
		n, ok := number[string(key)]
		if !ok {
			n = len(rec.Sets)
			number[string(key)] = n
			rec.Sets = append(rec.Sets, it.Tags)
		}
		tagged = tagged || len(it.Tags) > 0
		rec.IDs, rec.Set = append(rec.IDs, it.ID), append(rec.Set, n)
	}
	if !tagged {
		rec.Set, rec.Sets = nil, nil
	}
	return rec
}

// log appends a line and syncs it. A line that did not get there is taken back.
func (t *table) log(rec record) error {
	l := line(rec)
	if t.end+int64(len(l)) >= maxLog {
		return fmt.Errorf("%s is full (%d bytes); build the index again, or use another engine", logName, t.end)
	}
	_, err := t.file.WriteAt(l, t.end)
	if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		err = errors.Join(err, t.file.Truncate(t.end))
	}
	return err
}

// tidy writes the files anew once a search looks at more rows that are no more than at others.
func (t *table) tidy() error {
	if dead := len(t.ids) - len(t.at); dead > len(t.at) && dead > recordRows {
		return t.rewrite()
	}
	return nil
}

// rewrite writes the living rows into new files. Renaming the log over the old one is what makes them the index.
func (t *table) rewrite() error {
	var generation int
	fmt.Sscanf(t.header.Vectors, "vectors-%d.f32", &generation)
	h := t.header
	h.Vectors = fmt.Sprintf("vectors-%d.f32", generation+1)
	size := 4 * h.Dim
	var log bytes.Buffer
	log.Write(line(h))
	err := atomicfile.Write(filepath.Join(t.dir, h.Vectors), func(w io.Writer) error {
		var items []Item
		sum := crc32.New(castagnoli)
		flush := func() {
			if len(items) > 0 {
				log.Write(line(newRecord(items, sum.Sum32())))
			}
			items = items[:0]
			sum.Reset()
		}
		for row, id := range t.ids {
			if t.alive[row/panelRows]>>(row%panelRows)&1 == 0 {
				continue
			}
			values := t.mapped[row*size : (row+1)*size]
			if _, err := w.Write(values); err != nil {
				return err
			}
			sum.Write(values)
			if items = append(items, Item{ID: id, Tags: t.sets[t.set[row]]}); len(items) == recordRows {
				flush()
			}
		}
		flush()
		return nil
	})
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(t.dir, logName), log.Bytes()); err != nil {
		return err
	}
	return t.sweep(h.Vectors)
}

// sweep removes what stands beside the files in use: older ones, and what was begun when a writer was killed.
func (t *table) sweep(vectors string) error {
	files, err := os.ReadDir(t.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		for _, pattern := range []string{"vectors-*.f32", ".vectors-*", "." + logName + ".*"} {
			if ok, _ := filepath.Match(pattern, f.Name()); ok && f.Name() != vectors {
				if err := os.Remove(filepath.Join(t.dir, f.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
