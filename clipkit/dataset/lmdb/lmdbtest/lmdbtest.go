// Package lmdbtest writes LMDB files with the C library, as the reference's tools do, for tests of what reads them. Only tests import it.
package lmdbtest

import (
	"errors"
	"os"
	"testing"

	"github.com/PowerDNS/lmdb-go/lmdb"
)

// Put makes dir/data.mdb of entries.
func Put(t testing.TB, dir string, entries map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	env, err := lmdb.NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	if err := errors.Join(env.SetMapSize(64<<20), env.Open(dir, lmdb.NoLock|lmdb.NoSync, 0o644)); err != nil {
		t.Fatal(err)
	}
	err = env.Update(func(txn *lmdb.Txn) error {
		db, err := txn.OpenRoot(0)
		for k, v := range entries {
			if err == nil {
				err = txn.Put(db, []byte(k), []byte(v), 0)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
