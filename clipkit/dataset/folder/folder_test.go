package folder_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"clipnb/clipkit/dataset/folder"
)

const picture = "P5 1 1 255\n\x07" // a PGM

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Every kind of thing that a folder may hold, by itself and behind a link: what is listed, and what is opened.
func TestKinds(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.pgm"), picture)
	write(t, at("b/c.PGM"), picture)
	write(t, at("b/c.Txt"), "一件大衣")
	write(t, at("notes.doc"), "")
	write(t, at(".hidden/x.pgm"), picture)
	write(t, filepath.Join(outside, "x.pgm"), picture)
	write(t, filepath.Join(outside, "x.txt"), "一件大衣")
	write(t, filepath.Join(outside, "blob"), picture)
	write(t, filepath.Join(outside, "id_rsa"), "-----BEGIN OPENSSH PRIVATE KEY-----")
	if err := errors.Join(syscall.Mkfifo(at("pipe.jpg"), 0o600), os.Mkdir(at("folder.jpg"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"in.pgm": "b/c.PGM", "out.pgm": filepath.Join(outside, "x.pgm"), "blob.pgm": filepath.Join(outside, "blob"), "in.txt": "b/c.Txt", "out.txt": filepath.Join(outside, "x.txt"),
		"secret.jpg": filepath.Join(outside, "id_rsa"), "secret.txt": filepath.Join(outside, "id_rsa"), "loop.jpg": "loop.jpg", "loop1.jpg": "loop2.jpg", "loop2.jpg": "loop1.jpg",
		"dangling.jpg": "nowhere.jpg", "zero.jpg": "/dev/zero", "to-pipe.jpg": "pipe.jpg", "to-folder.jpg": "b", "images": outside,
	} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := folder.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.pgm", "b/c.PGM", "blob.pgm", "dangling.jpg", "in.pgm", "loop.jpg", "loop1.jpg", "loop2.jpg", "out.pgm", "secret.jpg"}
	if !slices.Equal(f.Pictures, want) || f.TextOf("b/c.PGM") != "b/c.Txt" || f.TextOf("a.pgm") != "" || f.Unfollowed() == "" {
		t.Errorf("%v, %q, %q", f.Pictures, f.TextOf("b/c.PGM"), f.Unfollowed())
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{"a.pgm": picture, "b/c.PGM": picture, "in.pgm": picture, "out.pgm": picture, "blob.pgm": picture, "in.txt": "一件大衣", "out.txt": "一件大衣",
		"secret.jpg": "", "secret.txt": "", "loop.jpg": "", "loop1.jpg": "", "dangling.jpg": "", "zero.jpg": "", "pipe.jpg": "", "to-pipe.jpg": "", "folder.jpg": "", "to-folder.jpg": "", "../x": ""} {
		info, statErr := folder.Stat(root, dir, name)
		file, err := folder.Open(root, dir, name)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got, err := io.ReadAll(io.LimitReader(file, 1<<10))
		file.Close()
		if err != nil || string(got) != want || want == "" || statErr != nil || info.Size() != int64(len(want)) {
			t.Errorf("%s: %q, want %q; error %v, %v", name, got, want, err, statErr)
		}
	}
	if !folder.HasTexts(dir) || folder.HasTexts(filepath.Join(dir, "absent")) || folder.HasTexts(t.TempDir()) {
		t.Error("b/c.Txt stands beside b/c.PGM, and elsewhere nothing does")
	}
	other := t.TempDir()
	write(t, filepath.Join(other, "a.jpg"), picture)
	write(t, filepath.Join(other, "b.txt"), "一件大衣")
	write(t, filepath.Join(other, ".x.txt"), "一件大衣")
	if folder.HasTexts(other) {
		t.Error("b.txt stands beside no picture")
	}
	write(t, filepath.Join(other, "a.jpg.txt"), "一件大衣")
	if f, err := folder.List(other); err != nil || !folder.HasTexts(other) || f.TextOf("a.jpg") != "a.jpg.txt" {
		t.Errorf("a.jpg.txt is not beside a.jpg: error %v", err)
	}
	if _, err := folder.List(filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent folder is listed")
	}
}
