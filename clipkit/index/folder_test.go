package index_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/index"
	"clipnb/clipkit/index/indextest"
)

var ctx = context.Background()

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	indextest.Test(t, func(t *testing.T, name, model string, dim int) (index.Index, error) {
		x, err := index.Create(filepath.Join(dir, name), model, dim)
		if err != nil {
			return nil, err
		}
		return x, nil
	})
}

func TestFolderFilters(t *testing.T) {
	x, err := index.Create(t.TempDir(), "m", 32)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	indextest.Graph(t, x, 5000)
}

func create(t testing.TB, dir string) *index.Folder {
	t.Helper()
	x, err := index.Create(dir, "m", 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func add(t testing.TB, x index.Index, ids ...int64) {
	t.Helper()
	if err := addTo(x, ids...); err != nil {
		t.Fatal(err)
	}
}

// addTo adds vectors of angle 0.001 × ID.
func addTo(x index.Index, ids ...int64) error {
	var items []index.Item
	var vectors []float32
	for _, id := range ids {
		items = append(items, index.Item{ID: id, Tags: map[string]string{"half": fmt.Sprint(id % 2)}})
		vectors = append(vectors, vector(id)...)
	}
	return x.Add(ctx, items, vectors)
}

func vector(id int64) []float32 {
	sin, cos := math.Sincos(float64(id) / 1000)
	return []float32{float32(cos), float32(sin)}
}

func numbers(from, to int64) (ids []int64) {
	for ; from < to; from++ {
		ids = append(ids, from)
	}
	return ids
}

// Files are written anew when most rows are dead, also under the hands of another that has the folder open; nothing is lost by it.
func TestRewriting(t *testing.T) {
	dir := t.TempDir()
	x, other := create(t, dir), create(t, dir)
	add(t, x, numbers(0, 3000)...)
	for _, left := range []string{"vectors-0.f32", ".vectors-2.f32.123", ".index.log.456"} { // by writers that were killed
		if err := os.WriteFile(filepath.Join(dir, left), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Delete(ctx, numbers(100, 2900)...); err != nil {
		t.Fatal(err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 3 {
		t.Errorf("the folder holds %v", all)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "vectors-*"))
	if len(files) != 1 || filepath.Base(files[0]) != "vectors-2.f32" {
		t.Errorf("files %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Size() != 200*8 {
		t.Errorf("%v bytes (%v)", info.Size(), err)
	}
	add(t, other, 5000)
	for _, x := range []*index.Folder{x, other, create(t, dir)} {
		if n, err := x.Len(ctx); n != 201 || err != nil {
			t.Error(n, err)
		}
		hits, err := x.Search(ctx, index.Query{Vector: vector(2950), Model: "m", K: 3, Filter: map[string]string{"half": "0"}})
		if err != nil || len(hits) != 3 || hits[0].ID != 2950 {
			t.Error(hits, err)
		}
	}
}

// Two that write make the files be written anew again and again, while others search.
func TestRewritingUnderSearches(t *testing.T) {
	dir := t.TempDir()
	handles := []*index.Folder{create(t, dir), create(t, dir), create(t, dir)}
	add(t, handles[0], 1500) // stays
	var writers, searchers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 2 {
		writers.Go(func() {
			for range 12 {
				if err := addTo(handles[i], numbers(int64(i*700), int64(i*700+700))...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, x := range handles {
		searchers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				hits, err := x.Search(ctx, index.Query{Vector: vector(1500), Model: "m", K: 1})
				if err != nil || len(hits) != 1 || hits[0].ID != 1500 {
					t.Error(hits, err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	searchers.Wait()
	for _, x := range handles {
		if n, err := x.Len(ctx); n != 1401 || err != nil {
			t.Error(n, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "vectors-1.f32")); err == nil {
		t.Error("the files were never written anew")
	}
}

// A write that was cut off at any byte is as if it had not been; the next one goes in its place.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	x := create(t, dir)
	path := filepath.Join(dir, "index.log")
	add(t, x, 1, 2)
	before, _ := os.ReadFile(path)
	add(t, x, 3)
	after, _ := os.ReadFile(path)
	x.Close()
	for n := len(before); n < len(after); n++ {
		for _, end := range []string{"", "\x00\x00", "\n"} {
			if end == "\n" && n == len(after)-1 { // the line is whole again
				continue
			}
			if err := os.WriteFile(path, append(slices.Clone(after[:n]), end...), 0o644); err != nil {
				t.Fatal(err)
			}
			x, err := index.Open(dir, "m")
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			if n, err := x.Len(ctx); n != 2 || err != nil {
				t.Fatal(n, err)
			}
			add(t, x, 4)
			y := create(t, dir)
			if missing, err := y.Missing(ctx, 1, 2, 3, 4); err != nil || !slices.Equal(missing, []int64{3}) {
				t.Fatalf("after %d bytes are missing %v (%v)", n, missing, err)
			}
			x.Close()
			y.Close()
		}
	}
}

// Damage is told from a write that was cut off: what was acknowledged never goes silently.
func TestDamage(t *testing.T) {
	for what, spoil := range map[string]func(log, vectors []byte) ([]byte, []byte){
		"a bit of the log":      func(l, v []byte) ([]byte, []byte) { l[len(l)/2] ^= 4; return l, v },
		"a bit of the header":   func(l, v []byte) ([]byte, []byte) { l[20] ^= 4; return l, v },
		"a bit of a row":        func(l, v []byte) ([]byte, []byte) { v[9] ^= 4; return l, v },
		"rows missing":          func(l, v []byte) ([]byte, []byte) { return l, v[:len(v)-1] },
		"an empty log":          func(l, v []byte) ([]byte, []byte) { return nil, v },
		"a log of zeros":        func(l, v []byte) ([]byte, []byte) { return make([]byte, 100), v },
		"no header":             func(l, v []byte) ([]byte, []byte) { return l[strings.Index(string(l), "\n")+1:], v },
		"another version":       func(l, v []byte) ([]byte, []byte) { return []byte(`5a9a3a4d {"format":"clipkit index 9"}` + "\n"), v },
		"something else's file": func(l, v []byte) ([]byte, []byte) { return []byte("%PDF-1.7\n"), v },
	} {
		dir := t.TempDir()
		x := create(t, dir)
		for i := range 5 {
			add(t, x, int64(i))
		}
		x.Close()
		l, v := filepath.Join(dir, "index.log"), filepath.Join(dir, "vectors-1.f32")
		log, _ := os.ReadFile(l)
		vectors, _ := os.ReadFile(v)
		log, vectors = spoil(log, vectors)
		os.WriteFile(l, log, 0o644)
		os.WriteFile(v, vectors, 0o644)
		if _, err := index.Open(dir, "m"); !errors.Is(err, index.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := index.Create(dir, "m", 2); !errors.Is(err, index.ErrFormat) {
			t.Errorf("%s: making it again: %v", what, err)
		}
	}
	if _, err := index.Open(t.TempDir(), "m"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "index.Create") {
		t.Error(err)
	}
}

// ops is what the killed writer does, over and over: op i adds 40 vectors and deletes those of op i-3. Files are written anew every 30 ops or so.
func ops(x index.Index, from int64, done func(i int64)) error {
	for i := from; ; i++ {
		if err := addTo(x, numbers(40*i, 40*i+40)...); err != nil {
			return err
		}
		if i >= 3 {
			if err := x.Delete(ctx, numbers(40*(i-3), 40*(i-3)+40)...); err != nil {
				return err
			}
		}
		done(i)
	}
}

// killed makes this test program, started as another process, write to the folder that it names.
const killed = "CLIPKIT_INDEX_KILLED"

// TestKilledWriter kills the writing process (SIGKILL) at moments of no choice, and looks for all that it had acknowledged.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv(killed); dir != "" {
		x, err := index.Create(dir, "m", 2)
		if err != nil {
			t.Fatal(err)
		}
		from, _ := strconv.ParseInt(os.Getenv(killed+"_FROM"), 10, 64)
		t.Fatal(ops(x, from, func(i int64) { fmt.Println("done", i) }))
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	last := int64(-1)
	for round := range 12 {
		child := exec.Command(os.Args[0], "-test.run", "^TestKilledWriter$")
		child.Env = append(os.Environ(), killed+"="+dir, fmt.Sprint(killed, "_FROM=", last+1))
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := make(chan int64, 1)
		go func() {
			n := int64(-1)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if _, err := fmt.Sscanf(lines.Text(), "done %d", &n); err == nil && n == last+1 {
					acknowledged <- n // the first
				}
			}
			acknowledged <- n
		}()
		<-acknowledged
		time.Sleep(time.Duration(rng.IntN(80_000)) * time.Microsecond)
		_ = child.Process.Kill()
		n := <-acknowledged
		_ = child.Wait()
		if n < last+1 {
			t.Fatalf("round %d acknowledged nothing", round)
		}
		last = n
		x := create(t, dir)
		if here, err := x.Missing(ctx, numbers(40*max(last-1, 0), 40*last+40)...); err != nil || len(here) != 0 {
			t.Fatalf("round %d, after op %d: acknowledged and missing %v (%v)", round, last, here, err)
		}
		if last >= 3 {
			old := numbers(0, 40*(last-3)+40)
			if gone, err := x.Missing(ctx, old...); err != nil || len(gone) != len(old) {
				t.Fatalf("round %d: %d of %d are deleted (%v)", round, len(gone), len(old), err)
			}
		}
		id := 40*last + 7
		if hits, err := x.Search(ctx, index.Query{Vector: vector(id), Model: "m", K: 1}); err != nil || len(hits) != 1 || math.Abs(float64(hits[0].Score-1)) > 1e-6 {
			t.Fatal(hits, err)
		}
		x.Close()
	}
	t.Logf("%d operations in 12 lives", last+1)
}

// benchmark is 100,000 vectors of 512; half of them are tagged "test" and one of a hundred "rare".
func benchmark(b *testing.B, dir string) (x *index.Folder, query []float32) {
	const n, dim = 100_000, 512
	x, err := index.Create(dir, "m", dim)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close() })
	rng := rand.New(rand.NewPCG(1, 2))
	vectors := make([]float32, n*dim)
	items := make([]index.Item, n)
	for i := range vectors {
		vectors[i] = float32(rng.NormFloat64()) / 22.6
	}
	for i := range items {
		items[i] = index.Item{ID: int64(i), Tags: map[string]string{"split": []string{"train", "test"}[i%2], "rare": fmt.Sprint(i % 100)}}
	}
	start := time.Now()
	if err := x.Add(ctx, items, vectors); err != nil {
		b.Fatal(err)
	}
	b.Logf("added in %v", time.Since(start))
	return x, vectors[:dim]
}

// BenchmarkFolder100k prints the processor's time beside the clock's, which on a shared machine says more.
func BenchmarkFolder100k(b *testing.B) {
	dir := b.TempDir()
	x, query := benchmark(b, dir)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			y, err := index.Open(dir, "m")
			if err != nil {
				b.Fatal(err)
			}
			y.Close()
		}
	})
	for _, c := range []struct {
		name   string
		filter map[string]string
	}{{"all", nil}, {"half", map[string]string{"split": "test"}}, {"hundredth", map[string]string{"rare": "7"}}} {
		b.Run(c.name, func(b *testing.B) {
			var before, after syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			for b.Loop() {
				if _, err := x.Search(ctx, index.Query{Vector: query, Model: "m", K: 10, Filter: c.filter}); err != nil {
					b.Fatal(err)
				}
			}
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano())/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}

func ExampleCreate() {
	dir, _ := os.MkdirTemp("", "index")
	defer os.RemoveAll(dir)
	x, _ := index.Create(dir, "5f0c0b1d", 2) // the hash of the checkpoint that made the vectors, and their dimension
	defer x.Close()
	x.Add(ctx, []index.Item{{ID: 7, Tags: map[string]string{"split": "test"}}, {ID: 8}, {ID: 9}}, []float32{1, 0, 0, 1, 0.6, 0.8})
	x.Delete(ctx, 8)
	hits, _ := x.Search(ctx, index.Query{Vector: []float32{0, 1}, Model: "5f0c0b1d", K: 2})
	fmt.Println(hits)
	hits, _ = x.Search(ctx, index.Query{Vector: []float32{0, 1}, Model: "5f0c0b1d", K: 2, Filter: map[string]string{"split": "test"}})
	fmt.Println(hits)
	_, err := index.Open(dir, "another")
	fmt.Println(errors.Is(err, index.ErrOtherModel))
	// Output:
	// [{9 0.8} {7 0}]
	// [{7 0}]
	// true
}
