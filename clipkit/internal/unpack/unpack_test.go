package unpack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tree is every file below dir, with its contents.
func tree(t testing.TB, dir string) map[string]string {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() {
			t.Errorf("%s is %s", path, e.Type())
			return nil
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInto(t *testing.T) {
	for _, name := range []string{"good.zip", "stored.zip", "good.tar", "good.tar.gz"} {
		dir := t.TempDir()
		var done, total int64
		n, err := Into(t.Context(), filepath.Join("testdata", name), dir, Options{Progress: func(d, all int64) { done, total = d, all }})
		if err != nil || n != 2 || done != total || total == 0 {
			t.Errorf("%s: %d files, %v, progress %d of %d", name, n, err, done, total)
		}
		got := tree(t, dir)
		if len(got) != 2 || got["MUGE/test_imgs.tsv"] != "1\tQUJD\n" || strings.Count(got["MUGE/test_texts.jsonl"], "\n") != 20 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// No broken or hostile archive is taken for a good one, and none leaves anything outside the folder.
// fault 23
func TestIntoRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"traversal.zip": "leads out", "absolute.zip": "leads out", "backslash.zip": "backslash", "link.zip": "neither a file nor a folder", "twice.zip": "there twice",
		"file_and_folder.zip": `folder "a"`, "cut.zip": "damaged or cut", "crc.zip": "checksum", "encrypted.zip": "encrypted", "bomb.zip": "more than 50 times", "longer.zip": "damaged or cut",
		"overlap.zip": "more bytes than the archive has", "traversal.tar": "leads out", "symlink.tar": "neither a file nor a folder", "hardlink.tar": "neither a file nor a folder",
		"device.tar": "neither a file nor a folder", "cut.tar": "damaged or cut", "cut.tar.gz": "damaged or cut", "bomb.tar.gz": "more than may come out", "padded.tar.gz": "follow its end", "neither.zip": "neither zip nor tar", "empty.zip": "neither zip nor tar",
	} {
		above := t.TempDir()
		dir := filepath.Join(above, "in", "folder")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		_, err := Into(t.Context(), path, dir, Options{})
		if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		for file := range tree(t, above) {
			if !strings.HasPrefix(file, "in/folder/") || strings.Contains(file, "evil") {
				t.Errorf("%s wrote %s", name, file)
			}
		}
	}
	for name, o := range map[string]Options{"entries": {MaxFiles: 2}, "bytes": {MaxBytes: 500}} {
		for _, archive := range []string{"good.zip", "good.tar"} {
			if _, err := Into(t.Context(), filepath.Join("testdata", archive), t.TempDir(), o); !errors.Is(err, ErrArchive) {
				t.Errorf("%s of %s: %v", name, archive, err)
			}
		}
	}
}

// What has no room on the disk is not begun.
func TestIntoNeedsRoom(t *testing.T) {
	dir := t.TempDir()
	_, err := Into(t.Context(), "testdata/good.zip", dir, Options{Free: func(string) (int64, error) { return 100, nil }})
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), dir) || len(tree(t, dir)) != 0 {
		t.Error(err)
	}
}

func TestIntoStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Into(ctx, "testdata/good.zip", t.TempDir(), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzInto(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		above := t.TempDir()
		archive, dir := filepath.Join(above, "archive"), filepath.Join(above, "folder")
		if err := errors.Join(os.WriteFile(archive, b, 0o644), os.Mkdir(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		n, err := Into(t.Context(), archive, dir, Options{MaxBytes: 1 << 20, MaxFiles: 100})
		files := tree(t, above)
		var size int
		for file, contents := range files {
			if file != "archive" && !strings.HasPrefix(file, "folder/") {
				t.Errorf("wrote %s", file)
			}
			if file != "archive" {
				size += len(contents)
			}
		}
		if size > 1<<20 || err == nil && n != len(files)-1 {
			t.Errorf("%d bytes, %d files of %d, %v", size, n, len(files)-1, err)
		}
	})
}
