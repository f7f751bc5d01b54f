package lmdb

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/lmdb/lmdbtest"
)

// TestReadsWhatTheLibraryWrote covers deep trees, values in the page and beside it, and empty ones.
func TestReadsWhatTheLibraryWrote(t *testing.T) {
	want := make(map[string]string)
	for i := range 3000 {
		want[strings.Repeat("k", i%400)+string(rune(0x4e00+i))] = strings.Repeat("v", (i*i)%5000)
	}
	dir := t.TempDir()
	lmdbtest.Put(t, dir, want)
	p, err := Open(filepath.Join(dir, "data.mdb"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got := map[string]string{}
	err = p.Walk(func(key []byte, offset, length int64) error {
		value := make([]byte, length)
		if err := p.Read(value, offset); err != nil {
			return err
		}
		got[string(key)] = string(value)
		return nil
	})
	if err != nil || len(got) != len(want) || p.depth < 3 {
		t.Fatalf("%d entries at depth %d, want %d, error %v", len(got), p.depth, len(want), err)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("key %q has %d bytes, want %d", k, len(got[k]), len(v))
		}
	}
}

// A database in the database is said to be that, not damage.
func TestNamedDatabases(t *testing.T) {
	p, err := Open("testdata/named.mdb")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = p.Walk(func([]byte, int64, int64) error { return nil })
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), `named.mdb: the value of key "pairs" is a database of that name: named databases are not read`) {
		t.Error(err)
	}
}

func FuzzLMDB(f *testing.F) {
	for _, pattern := range []string{"testdata/broken/*.mdb", "testdata/named.mdb", "../testdata/lmdb/test/*/data.mdb"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no files %s (error %v)", pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := NewFile("fuzz", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		var last []byte
		err = p.Walk(func(key []byte, offset, length int64) error {
			if offset < 0 || length < 0 || offset+length > int64(len(data)) {
				t.Fatalf("key %q: %d bytes at %d in a file of %d", key, length, offset, len(data))
			}
			if last != nil && bytes.Compare(last, key) >= 0 {
				t.Fatalf("key %q after %q", key, last)
			}
			last = slices.Clone(key)
			return nil
		})
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("error %v is not ErrFormat", err)
		}
	})
}
