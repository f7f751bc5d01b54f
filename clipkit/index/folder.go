package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"clipnb/clipkit/internal/atomicfile"
)

const (
	logName  = "index.log"
	lockName = "index.lock"
)

// Folder is the exact engine on disk: all vectors in one mapped file, and a log that says which of its rows are whose.
//
// Add writes rows behind the last one and syncs them, then appends a line to the log and syncs that: only the line makes the rows exist. A
// process that is killed in between leaves bytes that no line speaks of, or half a line; the next writer cuts both off. A row is never
// changed: what is replaced or deleted is left out when searching, and once such rows are the greater part the files are written anew.
//
// Several processes may have a folder open. Those that write take turns by a file lock; a search sees what any of them has acknowledged.
type Folder struct {
	dir   string
	model string
	dim   int

	write sync.Mutex // one Add or Delete of this process at a time, and the file lock with it
	lock  *flock.Flock

	mu   sync.RWMutex // held for reading while rows is looked at, so that the mapping stays
	rows *table       // nil once closed
}

var _ Index = (*Folder)(nil)

// Create makes dir an index for a model's vectors. Where it is one already, it is opened.
func Create(dir, model string, dim int) (*Folder, error) {
	if err := CheckModel(model, dim); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("making an index: %w", err)
	}
	if err := createFiles(dir, model, dim); err != nil {
		return nil, fmt.Errorf("making the index %s: %w", dir, err)
	}
	f, err := Open(dir, model)
	if err == nil && f.dim != dim {
		f.Close()
		return nil, fmt.Errorf("%w: the index %s has dimension %d, want %d; use another folder", ErrShape, dir, f.dim, dim)
	}
	return f, err
}

// createFiles writes the files of an empty index, if there is none.
func createFiles(dir, model string, dim int) error {
	lock := flock.New(filepath.Join(dir, lockName))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Close()
	path := filepath.Join(dir, logName)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h := header{Format: format, Model: model, Dim: dim, Vectors: "vectors-1.f32"}
	if err := atomicfile.WriteBytes(filepath.Join(dir, h.Vectors), nil); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(path, line(h)); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(filepath.Clean(dir)))
}

// Open opens what Create made. An index of another model's vectors is ErrOtherModel.
func Open(dir, model string) (*Folder, error) {
	t, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the index %s: %w", dir, err)
	}
	if t.header.Model != model {
		t.close()
		return nil, fmt.Errorf("%w: %s holds vectors of the model %.12q, this one is %.12q; load that model, or build an index of this one in another folder",
			ErrOtherModel, dir, t.header.Model, model)
	}
	return &Folder{dir: dir, model: model, dim: t.header.Dim, rows: t, lock: flock.New(filepath.Join(dir, lockName))}, nil
}

func (f *Folder) Model() string { return f.model }
func (f *Folder) Dim() int      { return f.dim }

// Close waits for calls that have begun. The folder stays.
func (f *Folder) Close() error {
	f.write.Lock()
	defer f.write.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rows == nil {
		return nil
	}
	err := errors.Join(f.rows.close(), f.lock.Close())
	f.rows = nil
	return err
}

// Len counts the vectors.
func (f *Folder) Len(ctx context.Context) (n int, err error) {
	err = f.read(ctx, func(t *table) error { n = len(t.at); return nil })
	return n, err
}

// Search compares the query with every vector that has the filter's tags. Of vectors that tie for the last place, those that were added
// first are hits.
func (f *Folder) Search(ctx context.Context, q Query) (hits []Hit, err error) {
	if err := q.Check(f.model, f.dim); err != nil {
		return nil, err
	}
	err = f.read(ctx, func(t *table) error {
		all, err := t.filtered(q.Filter).TopK(ctx, q.Vector, q.K, nil)
		if err == nil {
			hits = all[0]
			Order(hits)
		}
		return err
	})
	return hits, err
}

// Vectors copies the vectors of IDs.
func (f *Folder) Vectors(ctx context.Context, ids ...int64) (map[int64][]float32, error) {
	out := map[int64][]float32{}
	err := f.read(ctx, func(t *table) error {
		for _, id := range ids {
			if row, ok := t.at[id]; ok {
				out[id] = slices.Clone(t.values()[int(row)*f.dim : (int(row)+1)*f.dim])
			}
		}
		return nil
	})
	return out, err
}

// Missing gives the IDs that are not there.
func (f *Folder) Missing(ctx context.Context, ids ...int64) (missing []int64, err error) {
	err = f.read(ctx, func(t *table) error {
		for _, id := range ids {
			if _, ok := t.at[id]; !ok {
				missing = append(missing, id)
			}
		}
		return nil
	})
	return missing, err
}

// read lets look see the rows as the log has them now.
func (f *Folder) read(ctx context.Context, look func(*table) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.RLock()
	if f.rows != nil && !f.rows.current() {
		f.mu.RUnlock()
		if err := f.refresh(); err != nil {
			return err
		}
		f.mu.RLock()
	}
	defer f.mu.RUnlock()
	if f.rows == nil {
		return fmt.Errorf("%w: %s", ErrClosed, f.dir)
	}
	return f.rows.guard(func() error { return look(f.rows) })
}

// refresh reads on in the log. Where that does not go on from what was read, because another process wrote the files anew, it begins again.
func (f *Folder) refresh() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rows == nil {
		return fmt.Errorf("%w: %s", ErrClosed, f.dir)
	}
	if f.rows.readOn() == nil {
		return nil
	}
	t, err := load(f.dir)
	if err != nil {
		return fmt.Errorf("reading the index %s: %w", f.dir, err)
	}
	if t.header.Model != f.model || t.header.Dim != f.dim {
		t.close()
		return fmt.Errorf("%w: %s has been replaced by an index of the model %.12q, dimension %d; open it again", ErrOtherModel, f.dir, t.header.Model, t.header.Dim)
	}
	f.rows.close()
	f.rows = t
	return nil
}

// Add appends vectors; it returns once they are on the disk.
func (f *Folder) Add(ctx context.Context, items []Item, vectors []float32) error {
	if err := CheckItems(f.dim, items, vectors); err != nil {
		return err
	}
	return f.alone(ctx, func() error {
		for part := range slices.Chunk(items, recordRows) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f.change(func(t *table) error { return t.append(part, vectors[:len(part)*f.dim]) }); err != nil {
				return err
			}
			vectors = vectors[len(part)*f.dim:]
		}
		return nil
	})
}

// Delete takes vectors out; it returns once that is on the disk.
func (f *Folder) Delete(ctx context.Context, ids ...int64) error {
	return f.alone(ctx, func() error {
		return f.change(func(t *table) error {
			known := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { _, ok := t.at[id]; return !ok })
			if len(known) == 0 {
				return nil
			}
			return t.log(record{Delete: known})
		})
	})
}

// alone runs changes while no other writer does.
func (f *Folder) alone(ctx context.Context, changes func() error) error {
	f.write.Lock()
	defer f.write.Unlock()
	if err := f.refresh(); err != nil { // before the lock is taken: a closed folder has none
		return err
	}
	if _, err := f.lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return fmt.Errorf("writing the index %s: waiting for other writers: %w", f.dir, err)
	}
	defer f.lock.Unlock()
	err := f.change((*table).cut)
	if err == nil {
		err = changes()
	}
	if err == nil {
		err = f.change((*table).tidy)
	}
	return err
}

// change extends or replaces the files, and takes in what they say then. Only searches that come just as the log has grown wait for it.
func (f *Folder) change(write func(*table) error) error {
	if err := f.refresh(); err != nil {
		return err
	}
	f.mu.RLock()
	err := f.rows.guard(func() error { return write(f.rows) })
	f.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("writing the index %s: %w", f.dir, err)
	}
	return f.refresh()
}
