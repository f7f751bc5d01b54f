package lmdb

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/PowerDNS/lmdb-go/lmdb"

	"clipnb/clipkit/internal/atomicfile"
)

// Options are for [Write]; the zero value will do.
type Options struct {
	// MapSize is how many bytes of the file are mapped into memory at first; default 64 MiB. It doubles whenever it is full.
	MapSize int64
	Commit  int           // entries in a transaction; default 1000
	Written func(now int) // told after every transaction how many entries it wrote; may be nil
}

// commitBytes ends a transaction early.
const commitBytes = 64 << 20

// Write makes dir/data.mdb of what fill puts. It is durable when Write returns without an error; after an error, or a crash, it is not whole.
func Write(ctx context.Context, dir string, o Options, fill func(put func(key string, value []byte) error) error) (err error) {
	mapSize := o.MapSize
	if mapSize <= 0 {
		mapSize = 64 << 20
	}
	if o.Commit <= 0 {
		o.Commit = 1000
	}
	mapSize = max(mapSize, 1<<20) &^ 0xffff // whole pages, on every system
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	env, err := lmdb.NewEnv()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	if err := env.SetMapSize(mapSize); err != nil {
		return fmt.Errorf("mapping %d bytes: %w; take a smaller MapSize", mapSize, err)
	}
	// Nobody else knows the folder yet, so there is no lock file; one sync at the end makes it durable.
	if err := env.Open(dir, lmdb.NoLock|lmdb.NoSync, 0o644); err != nil {
		return fmt.Errorf("mapping %d bytes: %w; take a smaller MapSize, or see that %s can be written", mapSize, err, dir)
	}
	type entry struct{ key, value []byte }
	var waiting []entry
	bytes := 0
	commit := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		write := func(txn *lmdb.Txn) error {
			db, err := txn.OpenRoot(0)
			if err != nil {
				return err
			}
			for _, e := range waiting {
				if err := txn.Put(db, e.key, e.value, 0); err != nil {
					return err
				}
			}
			return nil
		}
		err := env.Update(write)
		for lmdb.IsMapFull(err) {
			mapSize *= 2
			if err := env.SetMapSize(mapSize); err != nil {
				return fmt.Errorf("mapping %d bytes: %w", mapSize, err)
			}
			err = env.Update(write)
		}
		if err == nil {
			if o.Written != nil {
				o.Written(len(waiting))
			}
			waiting, bytes = waiting[:0], 0
		}
		return err
	}
	err = fill(func(key string, value []byte) error {
		waiting = append(waiting, entry{[]byte(key), value})
		if bytes += len(value); len(waiting) < o.Commit && bytes < commitBytes {
			return nil
		}
		return commit()
	})
	if err == nil {
		err = commit()
	}
	if err == nil {
		err = env.Sync(true)
	}
	if err == nil {
		err = atomicfile.SyncDir(dir)
	}
	return err
}
