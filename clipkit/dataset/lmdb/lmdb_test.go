package lmdb

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// Another process that rewrites the file must not make a reader give other bytes than those of the entry: each read gives them, or ErrChanged.
// fault 21, 19.1
func TestSomebodyWritesWhileItIsRead(t *testing.T) {
	entries := func(letter string) map[string]string {
		all := map[string]string{}
		for i := range 100 {
			all[string(rune('a'+i%26))+string(rune('a'+i/26))] = strings.Repeat(letter, 5000)
		}
		return all
	}
	dir := t.TempDir()
	lmdbtest.Put(t, dir, entries("1"))
	p, err := Open(filepath.Join(dir, "data.mdb"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.now = nil // the clock of a file system may be coarse, or maps not count as writing: the meta pages are enough
	type place struct{ offset, length int64 }
	var places []place
	walk := func() error {
		places = nil
		return p.Walk(func(_ []byte, offset, length int64) error {
			places = append(places, place{offset, length})
			return nil
		})
	}
	if err := walk(); err != nil || len(places) != 100 {
		t.Fatalf("%d places, error %v", len(places), err)
	}
	for commit, letter := range []string{"2", "3", "4", "5"} {
		lmdbtest.Put(t, dir, entries(letter))
		for _, at := range places {
			value := make([]byte, at.length)
			if _, err := p.ReadAt(value, at.offset); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "somebody writes it: meta page") {
				t.Fatalf("after commit %d: ReadAt gives %.20q, error %v", commit, value, err)
			}
			if err := p.Read(value, at.offset); !errors.Is(err, ErrChanged) {
				t.Fatalf("after commit %d: Read gives %.20q, error %v", commit, value, err)
			}
		}
	}
	if err := p.Walk(func(_ []byte, _, _ int64) error { return nil }); !errors.Is(err, ErrChanged) {
		t.Errorf("walking: %v", err)
	}
}

// What changes a file in another way than by a commit, such as a copy onto it.
// fault 19.1
func TestSizeAndTimeAreCompared(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"and had":    func(path string) error { return os.Truncate(path, 1<<20) },
		"written at": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)) },
	} {
		dir := t.TempDir()
		lmdbtest.Put(t, dir, map[string]string{"a": "b"})
		p, err := Open(filepath.Join(dir, "data.mdb"))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := harm(filepath.Join(dir, "data.mdb")); err != nil {
			t.Fatal(err)
		}
		if err := p.Read(make([]byte, 1), 0); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
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
