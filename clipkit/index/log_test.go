package index

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

var eightRows = make([]byte, 8*2*4) // of an index of dimension 2

// folder is one that holds a log; each of its lines gets its checksum unless they are raw.
func folder(t testing.TB, log []byte, raw bool) string {
	dir := t.TempDir()
	if !raw {
		var b bytes.Buffer
		for l := range bytes.Lines(log) {
			b.Write(summed(bytes.TrimSuffix(l, []byte("\n"))))
		}
		log = b.Bytes()
	}
	for name, data := range map[string][]byte{logName: log, "vectors-1.f32": eightRows} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBroken: what lies in testdata/broken is refused, each file for the reason that it is called after. Checksums are right there, they are
// put in front here.
// fault 44
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.log")
	if err != nil || len(files) < 12 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := Open(folder(t, data, false), "m"); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				x.Close()
			}
		}
	}
}

// FuzzFolder opens, searches, adds to and reopens a folder with any log.
// fault 44
func FuzzFolder(f *testing.F) {
	files, _ := filepath.Glob("testdata/broken/*.log")
	for _, name := range append(files, "testdata/good.log") {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add(data, true)
	}
	f.Add(line(header{format, "m", 2, "vectors-1.f32"}), true)
	f.Fuzz(func(t *testing.T, log []byte, raw bool) {
		ctx, dir := context.Background(), folder(t, log, raw)
		x, err := Open(dir, "m")
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrOtherModel) && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		defer x.Close()
		n, err := x.Len(ctx)
		if err != nil {
			t.Fatal(err)
		}
		query := Query{Vector: make([]float32, x.Dim()), Model: "m", K: n + 1}
		hits, err := x.Search(ctx, query)
		if err != nil || len(hits) != n {
			t.Fatalf("%d hits of %d (%v)", len(hits), n, err)
		}
		query.Filter = map[string]string{"a": "b"}
		if _, err := x.Search(ctx, query); err != nil {
			t.Fatal(err)
		}
		if len(hits) > 0 {
			n--
			if err := x.Delete(ctx, hits[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		const id = 918273645
		if missing, _ := x.Missing(ctx, id); len(missing) == 1 {
			n++
		}
		if err := x.Add(ctx, []Item{{ID: id}}, query.Vector); err != nil {
			t.Fatal(err)
		}
		y, err := Open(dir, "m")
		if err != nil {
			t.Fatal(err)
		}
		defer y.Close()
		if got, err := y.Len(ctx); err != nil || got != n {
			t.Fatalf("%d vectors after opening again, want %d (%v)", got, n, err)
		}
	})
}

func TestGood(t *testing.T) {
	data, err := os.ReadFile("testdata/good.log")
	if err != nil {
		t.Fatal(err)
	}
	x, err := Open(folder(t, data, false), "m")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if missing, err := x.Missing(context.Background(), 1, 2, 9); err != nil || len(missing) != 2 {
		t.Error(missing, err)
	}
}
