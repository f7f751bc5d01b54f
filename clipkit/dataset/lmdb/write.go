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
	Commit  int           // entries in a transaction at most; default 1000
	Sorted  bool          // the entries come in the order of their keys, which fills pages whole and reads none again
	Written func(now int) // told after every transaction how many entries it wrote, and of the last when they are durable; may be nil
}

// commitBytes ends a transaction early: its pages are in memory until it is written.
const commitBytes = 4 << 20

// Write makes dir/data.mdb of n entries, at least one. It is durable when Write returns without an error; after an error, or a crash, it is not whole.
//
// entry gives the entry of a number. It is called in ascending order, but again for those of a transaction that did not fit into the map; its slices are
// used before the next call, so that one buffer does for all.
func Write(ctx context.Context, dir string, o Options, n int, entry func(i int) (key, value []byte, err error)) (err error) {
	mapSize := o.MapSize
	if mapSize <= 0 {
		mapSize = 64 << 20
	}
	if o.Commit <= 0 {
		o.Commit = 1000
	}
	mapSize = max(mapSize, 1<<20) &^ 0xffff // whole pages, on every system
	if err := os.MkdirAll(dir, 0o777); err != nil {
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
	flags := uint(0)
	if o.Sorted {
		flags = lmdb.Append
	}
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := done
		err := env.Update(func(txn *lmdb.Txn) error {
			db, err := txn.OpenRoot(0)
			if err != nil {
				return err
			}
			for bytes := 0; next < n && next < done+o.Commit && bytes < commitBytes; next++ {
				key, value, err := entry(next)
				if err != nil {
					return err
				}
				if err := txn.Put(db, key, value, flags); err != nil {
					return err
				}
				bytes += len(value)
			}
			return nil
		})
		if lmdb.IsMapFull(err) {
			mapSize *= 2
			if err := env.SetMapSize(mapSize); err != nil {
				return fmt.Errorf("mapping %d bytes: %w", mapSize, err)
			}
			continue
		}
		if err != nil {
			return err
		}
		if next == n {
			if err := errors.Join(env.Sync(true), atomicfile.SyncDir(dir)); err != nil {
				return err
			}
		}
		if o.Written != nil {
			o.Written(next - done)
		}
		done = next
	}
	return nil
}

// ByDigits has the numbers below n in the order of their decimal digits, as an LMDB keeps them: 0, 1, 10, 100, 101, …; see Options.Sorted.
func ByDigits(n int) []int32 {
	order := make([]int32, 0, n)
	var add func(number int)
	add = func(number int) {
		if number < n {
			order = append(order, int32(number))
			for digit := range 10 {
				if next := 10*number + digit; next > 0 {
					add(next)
				}
			}
		}
	}
	add(0)
	return order
}
