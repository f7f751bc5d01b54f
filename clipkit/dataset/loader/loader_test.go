package loader

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/tokenizer"
)

// toy has pictures 0 to n-1 of eight bytes, the id, and one caption each. Pictures in bad cannot be read.
type toy struct {
	n   int
	bad map[int64]bool
}

var errBadPicture = errors.New("bad picture")

func (s toy) Name() string { return "toy" }
func (s toy) Close() error { return nil }
func (s toy) ImageIDs() (ids []int64) {
	for i := range s.n {
		ids = append(ids, int64(i))
	}
	return ids
}
func (s toy) Texts() (texts []dataset.Text) {
	for i := range s.n {
		texts = append(texts, dataset.Text{ID: int64(100 + i), Text: fmt.Sprintf("第%d张“图”", i), ImageIDs: []int64{int64(i)}})
	}
	return texts
}
func (s toy) Image(id int64) ([]byte, error) {
	if s.bad[id] {
		return nil, errBadPicture
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(id)), nil
}

// paint makes a 2×2 picture that shows the id and the generator.
func paint(_ context.Context, encoded []byte, rng *rand.Rand) ([]float32, error) {
	id := float32(binary.LittleEndian.Uint64(encoded))
	if rng.IntN(4) == 0 {
		runtime.Gosched() // let workers overtake each other
	}
	picture := make([]float32, 12)
	for i := range picture {
		picture[i] = id + rng.Float32()
	}
	return picture, nil
}

func config() Config {
	return Config{BatchSize: 4, Resolution: 2, ContextLength: 8, Transform: paint, Shuffle: true, Seed: 5, Epoch: 1}
}

// readAll reads the epoch to its end.
func readAll(t *testing.T, s dataset.Source, cfg Config) []*Batch {
	t.Helper()
	l, err := New(context.Background(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var batches []*Batch
	for {
		b, err := l.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, &Batch{slices.Clone(b.Images), slices.Clone(b.Levels), slices.Clone(b.IDs), slices.Clone(b.Pairs), b.Index, b.Truncated}) // Next uses its memory again
	}
	if len(batches) != l.Len()-cfg.Start {
		t.Fatalf("%d batches from %d, want %d", len(batches), cfg.Start, l.Len()-cfg.Start)
	}
	return batches
}

func same(a, b *Batch) bool {
	return slices.Equal(a.Images, b.Images) && slices.Equal(a.Levels, b.Levels) && slices.Equal(a.IDs, b.IDs) && slices.Equal(a.Pairs, b.Pairs) && a.Index == b.Index && a.Truncated == b.Truncated
}

func TestBatches(t *testing.T) {
	s := toy{n: 18}
	batches := readAll(t, s, config())
	if len(batches) != 5 {
		t.Fatalf("%d batches, want 5", len(batches))
	}
	order := dataset.Order(5, 1, 18, 4, 1, 0)
	tok := tokenizer.Default()
	for k, b := range batches {
		if b.Index != k || !slices.Equal(b.Pairs, order[4*k:4*k+4]) || len(b.Images) != 4*12 || len(b.IDs) != 4*8 {
			t.Fatalf("batch %d: %+v", k, b)
		}
		for row, pair := range b.Pairs {
			if id := int(b.Images[row*12]); id != pair {
				t.Errorf("batch %d row %d shows picture %d, want %d", k, row, id, pair)
			}
			ids := make([]int32, 8)
			tok.Encode(ids, fmt.Sprintf(`第%d张"图"`, pair))
			if !slices.Equal(b.IDs[row*8:row*8+8], ids) {
				t.Errorf("batch %d row %d: ids %v, want %v", k, row, b.IDs[row*8:row*8+8], ids)
			}
		}
	}
	cfg := config()
	cfg.Shuffle = false
	if last := readAll(t, s, cfg)[4]; !slices.Equal(last.Pairs, []int{16, 17, 0, 1}) {
		t.Errorf("last batch in file order has pairs %v", last.Pairs)
	}
	cfg.ContextLength = 4
	if first := readAll(t, s, cfg)[0]; first.Truncated != 4 {
		t.Errorf("%d captions cut, want 4", first.Truncated)
	}
}

func TestSameForAnyNumberOfWorkers(t *testing.T) {
	s := toy{n: 50, bad: map[int64]bool{3: true, 4: true, 30: true}}
	cfg := config()
	cfg.Workers, cfg.Prefetch, cfg.SkipBudget = 1, 1, 3
	want := readAll(t, s, cfg)
	for _, workers := range []int{2, 7, 16} {
		for start := range 3 {
			cfg.Workers, cfg.Prefetch, cfg.Start = workers, workers, 5*start
			if got := readAll(t, s, cfg); !slices.EqualFunc(got, want[5*start:], same) {
				t.Errorf("%d workers from batch %d: batches differ", workers, 5*start)
			}
		}
	}
	cfg.Epoch, cfg.Start = 2, 0
	if other := readAll(t, s, cfg); slices.EqualFunc(other, want, same) {
		t.Error("epochs 1 and 2 are equal")
	}
}

func TestManyProcessesReadWhatOneDoes(t *testing.T) {
	s := toy{n: 18}
	one := readAll(t, s, config())
	cfg := config()
	cfg.BatchSize, cfg.World = 2, 2
	for rank := range 2 {
		cfg.First, cfg.Count = rank, 1
		for k, b := range readAll(t, s, cfg) {
			for row := range 2 {
				whole := row*2 + rank
				if b.Pairs[row] != one[k].Pairs[whole] || !slices.Equal(b.Images[row*12:row*12+12], one[k].Images[whole*12:whole*12+12]) {
					t.Errorf("rank %d batch %d row %d differs from row %d of one process", rank, k, row, whole)
				}
			}
		}
	}
}

// Two ranks with three micro-batches each, by one process, two, three and six: every pair and its augmentation is where the reference's rank has it,
// and a bad pair is replaced by the same one.
func TestAnyNumberOfProcessesReadsTheRanksMicroBatches(t *testing.T) {
	const world, accum, size = 2, 3, 2
	s := toy{n: 35, bad: map[int64]bool{4: true, 20: true}} // 36 positions: 9 batches a rank, 3 steps
	cfg := config()
	cfg.BatchSize, cfg.World, cfg.Accum, cfg.SkipBudget = size, world, accum, 2
	whole := readAll(t, s, cfg)
	if len(whole) != 3 {
		t.Fatalf("%d steps, want 3", len(whole))
	}
	for rank := range world {
		order := dataset.Order(5, 1, 35, size, world, rank)
		for step, b := range whole {
			for i, pair := range b.Pairs[rank*accum*size : (rank+1)*accum*size] {
				if want := order[step*accum*size+i]; pair != want && !s.bad[int64(want)] || s.bad[int64(want)] && pair != want+1 {
					t.Errorf("rank %d, step %d: place %d has pair %d, want %d", rank, step, i, pair, want)
				}
			}
		}
	}
	for _, processes := range []int{2, 3, 6} {
		cfg.Count = world * accum / processes
		for p := range processes {
			cfg.First = p * cfg.Count
			for step, b := range readAll(t, s, cfg) {
				from, to := cfg.First*size, (cfg.First+cfg.Count)*size
				if !slices.Equal(b.Pairs, whole[step].Pairs[from:to]) || !slices.Equal(b.Images, whole[step].Images[from*12:to*12]) || !slices.Equal(b.IDs, whole[step].IDs[from*8:to*8]) {
					t.Errorf("process %d of %d reads another step %d", p, processes, step)
				}
			}
		}
	}
	cfg.World, cfg.Accum, cfg.First, cfg.Count = 1, 4, 0, 0
	if steps := readAll(t, s, cfg); len(steps) != 4 { // 18 batches: two make no step
		t.Errorf("%d steps of 4 batches, want 4", len(steps))
	}
}

// What is in memory does not grow with the micro-batches of a step: the loader is never further ahead than Prefetch of them and the one that waits, and
// uses their memory, and the batch's, again.
func TestMemoryIsBoundedByMicroBatches(t *testing.T) {
	for _, accum := range []int{1, 6} {
		var allowed atomic.Int64
		cfg := config()
		cfg.Shuffle, cfg.Accum, cfg.Workers, cfg.Prefetch, cfg.BatchSize = false, accum, 3, 2, 4
		cfg.Transform = func(ctx context.Context, encoded []byte, rng *rand.Rand) ([]float32, error) {
			if micro := int64(binary.LittleEndian.Uint64(encoded)) / 4; micro > allowed.Load()+2 {
				t.Errorf("accum %d: micro-batch %d is made while Next has been asked for %d", accum, micro, allowed.Load())
			}
			return paint(ctx, encoded, rng)
		}
		l, err := New(context.Background(), toy{n: 240}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		memory := map[*float32]bool{}
		for range l.Len() {
			allowed.Add(int64(accum))
			b, err := l.Next()
			if err != nil {
				t.Fatal(err)
			}
			memory[&b.Images[0]] = true
		}
		if _, err := l.Next(); err != io.EOF {
			t.Fatal(err)
		}
		l.Close()
		for len(l.free) > 0 {
			memory[&(<-l.free).Images[0]] = true
		}
		want := cfg.Prefetch + 1 // and the batch itself, where it is several
		if accum > 1 {
			want++
		}
		if len(memory) > want {
			t.Errorf("accum %d: memory for %d batches, want %d at most", accum, len(memory), want)
		}
	}
}

func TestSkipsBadPairs(t *testing.T) {
	s := toy{n: 8, bad: map[int64]bool{2: true, 3: true, 7: true}}
	cfg := config()
	cfg.Shuffle, cfg.SkipBudget = false, 3
	var skipped []int64
	cfg.OnSkip = func(p dataset.Pair, err error) {
		if !errors.Is(err, errBadPicture) {
			t.Errorf("skip of image %d: error %v", p.ImageID, err)
		}
		skipped = append(skipped, p.ImageID)
	}
	batches := readAll(t, s, cfg)
	if got := slices.Concat(batches[0].Pairs, batches[1].Pairs); !slices.Equal(got, []int{0, 1, 4, 4, 4, 5, 6, 0}) {
		t.Errorf("pairs %v", got)
	}
	if !slices.Equal(skipped, []int64{2, 3, 7}) {
		t.Errorf("skipped %v, want each bad pair once", skipped)
	}

	cfg.SkipBudget, skipped = 2, nil
	l, err := New(context.Background(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Next(); err != nil {
		t.Fatalf("first batch: %v", err)
	}
	for range 2 {
		if _, err := l.Next(); !errors.Is(err, errBadPicture) || !strings.Contains(err.Error(), "pair 7 of toy (image 7, text 107)") {
			t.Errorf("error %v", err)
		}
	}

	s.bad = map[int64]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true}
	cfg.SkipBudget = 100
	l, err = New(context.Background(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), "all 8 pairs are bad") {
		t.Errorf("error %v", err)
	}
}

func TestReportsBadTransforms(t *testing.T) {
	for want, transform := range map[string]func(context.Context, []byte, *rand.Rand) ([]float32, error){
		"5 values, want [3, 2, 2]": func(context.Context, []byte, *rand.Rand) ([]float32, error) { return make([]float32, 5), nil },
		"panic: index out":         func(context.Context, []byte, *rand.Rand) ([]float32, error) { panic("index out") },
	} {
		cfg := config()
		cfg.Transform = transform
		l, err := New(context.Background(), toy{n: 8}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		l.Close()
	}
}

func TestChecksItsConfiguration(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"Transform is nil":     func(c *Config) { c.Transform = nil },
		"BatchSize 0":          func(c *Config) { c.BatchSize = 0 },
		"Workers -1":           func(c *Config) { c.Workers = -1 },
		"ContextLength is 513": func(c *Config) { c.ContextLength = 513 },
		"1 micro-batches from 2, want 1 or more of the 2": func(c *Config) { c.World, c.First, c.Count = 2, 2, 1 },
		"Start is 6": func(c *Config) { c.Start = 6 },
	} {
		cfg := config()
		change(&cfg)
		if _, err := New(context.Background(), toy{n: 18}, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := New(context.Background(), toy{}, config()); err == nil || !strings.Contains(err.Error(), "no pairs") {
		t.Errorf("no pairs: error %v", err)
	}
}

// fault 33
func TestEndsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	start := func(ctx context.Context) *Loader {
		cfg := config()
		cfg.Workers = 8
		l, err := New(ctx, toy{n: 1000}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Next(); err != nil {
			t.Fatal(err)
		}
		return l
	}

	ctx, cancel := context.WithCancel(context.Background())
	l := start(ctx)
	cancel()
	for range 2 {
		if _, err := l.Next(); err != context.Canceled {
			t.Errorf("Next after cancel: error %v, want context.Canceled", err)
		}
	}

	l = start(context.Background())
	l.Close()
	l.Close()
	if _, err := l.Next(); !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close: error %v, want ErrClosed", err)
	}

	readAll(t, toy{n: 18}, config())

	deadline := time.Now().Add(2 * time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

// TestStopsInTheMiddleOfABatch cancels while Next waits for a worker that is held up.
func TestStopsInTheMiddleOfABatch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	entered, release := make(chan bool, 64), make(chan bool)
	cfg := config()
	cfg.Transform = func(ctx context.Context, b []byte, rng *rand.Rand) ([]float32, error) {
		entered <- true
		<-release
		return paint(ctx, b, rng)
	}
	l, err := New(ctx, toy{n: 18}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	cancel()
	if _, err := l.Next(); err != context.Canceled {
		t.Errorf("error %v, want context.Canceled", err)
	}
	close(release)
	l.Close()
}

// A stop, or Close, ends the decoding of a picture that takes long, and the picture is not among those left out.
// fault 19.9
func TestStopEndsDecoding(t *testing.T) {
	for _, closes := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		entered := make(chan bool, 64)
		cfg := config()
		cfg.Workers, cfg.SkipBudget = 3, 8
		cfg.OnSkip = func(p dataset.Pair, err error) { t.Errorf("%v was left out: %v", p, err) }
		cfg.Transform = func(ctx context.Context, b []byte, rng *rand.Rand) ([]float32, error) {
			entered <- true
			<-ctx.Done() // a decoder that looks at its context now and then
			return nil, fmt.Errorf("decoding: %w", ctx.Err())
		}
		l, err := New(ctx, toy{n: 18}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		<-entered
		if closes {
			l.Close()
		} else {
			cancel()
		}
		if _, err := l.Next(); closes && err != ErrClosed || !closes && err != context.Canceled {
			t.Errorf("error %v", err)
		}
		l.Close()
		cancel()
	}
}
