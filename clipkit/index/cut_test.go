package index_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/index"
)

// Another program cuts the file of vectors short while it is in use: searches are errors that name it, and the process lives on. Once the bytes are back,
// so are the answers.
// fault 19.3
func TestCutShortWhileInUse(t *testing.T) {
	dir := t.TempDir()
	const dim, n = 512, 200
	x, err := index.Create(dir, "m", dim)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	items, vectors := make([]index.Item, n), make([]float32, n*dim)
	for i := range items {
		items[i].ID, vectors[i*dim+i] = int64(i), 1
	}
	if err := x.Add(ctx, items, vectors); err != nil {
		t.Fatal(err)
	}
	query := index.Query{Vector: vectors[150*dim : 151*dim], Model: "m", K: 1}
	path := filepath.Join(dir, "vectors-1.f32")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 10, len(whole) / 2, len(whole) - 1} { // the last takes no whole page
		if err := os.Truncate(path, int64(size)); err != nil {
			t.Fatal(err)
		}
		for name, ask := range map[string]func() error{
			"Search":  func() error { _, err := x.Search(ctx, query); return err },
			"Vectors": func() error { _, err := x.Vectors(ctx, 199); return err },
			"Open": func() error {
				again, err := index.Open(dir, "m")
				if err == nil {
					again.Close()
				}
				return err
			},
		} {
			if err := ask(); !errors.Is(err, index.ErrFormat) || !strings.Contains(err.Error(), "vectors-1.f32") {
				t.Errorf("%d of %d bytes: %s: error %v, want ErrFormat with the file's name", size, len(whole), name, err)
			}
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		hits, err := x.Search(ctx, query)
		if err != nil || len(hits) != 1 || hits[0].ID != 150 {
			t.Errorf("after the file was whole again: %v, %v", hits, err)
		}
	}
}
