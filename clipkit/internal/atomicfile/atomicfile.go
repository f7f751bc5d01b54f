// Package atomicfile writes files that are either whole or absent.
//
//	err := atomicfile.Write(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
//
// The bytes go to a temporary name in the same folder, are synced and renamed; a crash at any moment leaves the old file or the new one. Who may read a file or
// a folder is what the user's umask says, as of any that os.Create and os.Mkdir make.
//
// The operations that a folder of such files needs beside it (Rename, Exchange, RemoveAll and others) are here too, because a test can make each
// of them fail: Inject.
package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
)

// Write creates or replaces path with what fill writes. On error nothing at path has changed.
func Write(path string, fill func(w io.Writer) error) (err error) {
	f, err := createTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			f.Close()
			remove(tmp)
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	b := bufio.NewWriterSize(writer{f}, 1<<20)
	if err = fill(b); err != nil {
		return err
	}
	if err = b.Flush(); err != nil {
		return err
	}
	if err = ask("sync", tmp); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	if err = ask("close", tmp); err == nil {
		err = f.Close()
	}
	if err != nil {
		return err
	}
	if err = Rename(tmp, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteBytes is Write for bytes that are already in memory.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error { _, err := w.Write(data); return err })
}
