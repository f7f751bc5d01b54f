// Package loader makes the batches of an epoch: pictures decoded and augmented, captions tokenized, several micro-batches ahead of the
// training step that reads them.
//
//	epoch, err := loader.New(ctx, data.Train, loader.Config{BatchSize: 128, Resolution: 224, Shuffle: true, Transform: f})
//	defer epoch.Close()
//	for {
//		batch, err := epoch.Next() // batch.Images: [128, 3, 224, 224]   batch.IDs: [128, 52]
//		if err == io.EOF {
//			break
//		}
//		…
//	}
//
// A bad picture ends the epoch, or is replaced by the next good pair where Config.SkipBudget allows it. Where a disk fails to read, it is asked three
// times before.
package loader

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/tokenizer"
)

// ErrClosed is what Next returns after Close.
var ErrClosed = errors.New("loader: closed")

// Config says which batches a [Loader] makes, and how. Zero values of Workers, Prefetch, ContextLength, Tokenizer, World,
// Accum and Count stand for the defaults named below.
type Config struct {
	BatchSize int // pairs in a micro-batch
	Filled    int // the order is filled up to batches of so many, a multiple of BatchSize; default BatchSize
	Workers   int // goroutines that decode; default: as many as processors
	Prefetch  int // micro-batches made ahead of Next; default 2. With the batch that Next gave they are all that is in memory

	Resolution    int                  // R: pictures are [3, R, R]
	ContextLength int                  // T: tokens of a caption; default tokenizer.DefaultLength
	Tokenizer     *tokenizer.Tokenizer // default tokenizer.Default()

	Seed    uint64
	Epoch   int
	Start   int  // index of the first batch: resume in mid-epoch
	Shuffle bool // the order of [dataset.Order]; false: file order

	// A batch is what one process reads of a training step. The step has World × Accum micro-batches: number r·Accum+j is the j-th that rank r of the
	// order reads for it. Count of them, from First on, are read; by default all.
	World int // ranks of the order; default 1
	Accum int // micro-batches of each in a step; default 1
	First int
	Count int

	// Transform makes [3, R, R] of a picture file. rng depends on seed, epoch and the pair's position in the epoch alone, so that
	// augmentation is the same for any number of workers. Called concurrently; ctx ends when the loader does, so that closing it waits for no large picture.
	Transform func(ctx context.Context, encoded []byte, rng *rand.Rand) ([]float32, error)
	// Levels, when not nil, is called instead, and the batches have bytes in Levels: a quarter of the memory.
	Levels func(ctx context.Context, encoded []byte, rng *rand.Rand) ([]uint8, error)

	SkipBudget int                       // bad pairs tolerated; each is replaced by the next good one. 0: the first is an error
	OnSkip     func(dataset.Pair, error) // told once of each bad pair, in the order of the batches, by Next; may be nil
}

// Batch is one step's data, B = Count·BatchSize pairs, micro-batch after micro-batch. Rows of the same index belong together. The next call of Next
// uses its memory again.
type Batch struct {
	Images    []float32 // [B, 3, R, R], by Config.Transform
	Levels    []uint8   // [B, 3, R, R], by Config.Levels
	IDs       []int32   // [B, T]
	Pairs     []int     // [B] index into dataset.Pairs(source)
	Index     int       // position of the batch in the epoch
	Truncated int       // captions cut to T tokens
}

// Loader makes the batches of one epoch ahead of their use. They depend on the source and the configuration alone, not on the number
// of workers or on timing. The last micro-batches are filled up from the beginning of the epoch's pairs, so all have the same shape; those that
// make no whole step any more are left out.
//
// Next and Close are for one goroutine; another one stops a loader by cancelling its context.
type Loader struct {
	source dataset.Source
	cfg    Config
	pairs  []dataset.Pair
	orders [][]int // by rank and position on it; nil = none of its micro-batches are read here

	parent  context.Context
	ctx     context.Context
	cancel  context.CancelFunc
	queue   chan *pending // in order
	free    chan *Batch   // memory of micro-batches
	running sync.WaitGroup

	batch *Batch // that Next gave last

	bad map[int]bool // pairs that OnSkip was told of
	err error        // what ended the loader
}

// pending is a micro-batch in the making.
type pending struct {
	micro   int // which of the batch
	batch   *Batch
	skipped [][]badPair // by row
	cut     []bool      // by row
	left    atomic.Int64
	done    chan struct{}
}

type badPair struct {
	index int
	err   error
}

// New checks cfg and starts to make batches. Close it, or read it to the end, or cancel ctx.
func New(ctx context.Context, s dataset.Source, cfg Config) (*Loader, error) {
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Prefetch == 0 {
		cfg.Prefetch = 2
	}
	if cfg.ContextLength == 0 {
		cfg.ContextLength = tokenizer.DefaultLength
	}
	if cfg.Tokenizer == nil {
		cfg.Tokenizer = tokenizer.Default()
	}
	cfg.World, cfg.Accum = max(cfg.World, 1), max(cfg.Accum, 1)
	if cfg.Filled == 0 {
		cfg.Filled = cfg.BatchSize
	}
	if cfg.Count == 0 {
		cfg.Count = cfg.World * cfg.Accum
	}
	l := &Loader{source: s, cfg: cfg, pairs: dataset.Pairs(s), parent: ctx, bad: make(map[int]bool)}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("loading %s: %w", s.Name(), err)
	}
	l.orders = make([][]int, cfg.World)
	for rank := cfg.First / cfg.Accum; rank <= (cfg.First+cfg.Count-1)/cfg.Accum; rank++ {
		if cfg.Shuffle {
			l.orders[rank] = dataset.Order(cfg.Seed, cfg.Epoch, len(l.pairs), cfg.Filled, cfg.World, rank)
		} else {
			l.orders[rank] = dataset.FileOrder(len(l.pairs), cfg.Filled, cfg.World, rank)
		}
	}
	if cfg.Start < 0 || cfg.Start > l.Len() {
		return nil, fmt.Errorf("loading %s: Start is %d, but the epoch has %d batches", s.Name(), cfg.Start, l.Len())
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.queue, l.free = make(chan *pending, cfg.Prefetch), make(chan *Batch, cfg.Prefetch+1)
	rows := make(chan func())
	l.running.Go(func() { l.dispatch(rows) })
	for range cfg.Workers {
		l.running.Go(func() {
			for row := range rows {
				row()
			}
		})
	}
	return l, nil
}

// Len returns the number of batches in the epoch, counted from 0 whatever Start is.
func (l *Loader) Len() int {
	return len(l.orders[l.cfg.First/l.cfg.Accum]) / l.cfg.BatchSize / l.cfg.Accum
}

// dispatch hands out the rows of all micro-batches in order, and waits where the queue is full.
func (l *Loader) dispatch(rows chan<- func()) {
	defer close(rows)
	defer close(l.queue)
	size := l.cfg.BatchSize
	for number := l.cfg.Start * l.cfg.Count; number < l.Len()*l.cfg.Count; number++ {
		p := &pending{micro: number % l.cfg.Count, skipped: make([][]badPair, size), cut: make([]bool, size), done: make(chan struct{})}
		p.left.Store(int64(size))
		select {
		case l.queue <- p:
		case <-l.ctx.Done():
			return
		}
		// Made after the queue had room, so that Prefetch bounds the memory; Next looks only once done is closed.
		select {
		case p.batch = <-l.free:
		default:
			p.batch = l.newBatch(1)
		}
		p.batch.Index = number / l.cfg.Count
		for row := range size {
			select {
			case rows <- func() { l.fill(p, row) }:
			case <-l.ctx.Done():
				return
			}
		}
	}
}

// newBatch has room for so many micro-batches.
func (l *Loader) newBatch(micro int) *Batch {
	size := micro * l.cfg.BatchSize
	b := &Batch{IDs: make([]int32, size*l.cfg.ContextLength), Pairs: make([]int, size)}
	if l.cfg.Levels != nil {
		b.Levels = make([]uint8, size*l.values())
	} else {
		b.Images = make([]float32, size*l.values())
	}
	return b
}

// fill makes one row of the pair whose turn it is or, where that is bad, of the next good one in file order. It tries no more pairs than the budget
// allows to be bad.
func (l *Loader) fill(p *pending, row int) {
	micro := l.cfg.First + p.micro
	rank := micro / l.cfg.Accum
	position := (p.batch.Index*l.cfg.Accum+micro%l.cfg.Accum)*l.cfg.BatchSize + row // on the rank
	p.batch.Pairs[row] = -1
	for try := range min(l.cfg.SkipBudget+1, len(l.pairs)) {
		if l.ctx.Err() != nil {
			return
		}
		index := (l.orders[rank][position] + try) % len(l.pairs)
		err := l.load(p, row, l.pairs[index], position*l.cfg.World+rank)
		if l.ctx.Err() != nil { // then nothing is known of the pair
			return
		}
		if err == nil {
			p.batch.Pairs[row] = index
			break
		}
		p.skipped[row] = append(p.skipped[row], badPair{index, err})
	}
	if p.left.Add(-1) == 0 {
		close(p.done)
	}
}

// rng is a generator of its own for each position in the epoch, counted over all ranks. ChaCha8 takes a key and so has no
// correlation between neighbouring positions.
func (l *Loader) rng(position int) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], l.cfg.Seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(l.cfg.Epoch))
	binary.LittleEndian.PutUint64(key[16:], uint64(position))
	return rand.New(rand.NewChaCha8(key))
}

// Next returns the next batch in order, io.EOF after the last, and ctx.Err() once the context is cancelled. It blocks until the batch is
// made. An error is final: every later call returns it again.
func (l *Loader) Next() (*Batch, error) {
	if l.err != nil {
		return nil, l.err
	}
	batch, err := l.next()
	if err != nil {
		l.err = err
		l.cancel()
	}
	return batch, err
}

func (l *Loader) next() (*Batch, error) {
	if err := l.parent.Err(); err != nil {
		return nil, err
	}
	if l.batch != nil && l.cfg.Count == 1 { // it is the micro-batch itself
		l.free <- l.batch
		l.batch = nil
	}
	for m := range l.cfg.Count {
		p, err := l.take()
		if err == nil {
			err = l.settle(p)
		}
		if err != nil {
			return nil, err
		}
		if l.cfg.Count == 1 {
			l.batch = p.batch
			break
		}
		l.add(m, p.batch)
	}
	return l.batch, nil
}

// take waits for the next micro-batch.
func (l *Loader) take() (*pending, error) {
	var p *pending
	select {
	case p = <-l.queue:
	case <-l.ctx.Done():
	}
	if p != nil {
		select {
		case <-p.done:
			return p, nil
		case <-l.ctx.Done():
		}
	}
	if err := l.parent.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// add copies a micro-batch to its place in the batch, and gives its memory back.
func (l *Loader) add(m int, b *Batch) {
	if l.batch == nil {
		l.batch = l.newBatch(l.cfg.Count)
	}
	if m == 0 {
		l.batch.Index, l.batch.Truncated = b.Index, 0
	}
	copy(l.batch.Images[m*len(b.Images):], b.Images)
	copy(l.batch.Levels[m*len(b.Levels):], b.Levels)
	copy(l.batch.IDs[m*len(b.IDs):], b.IDs)
	copy(l.batch.Pairs[m*len(b.Pairs):], b.Pairs)
	l.batch.Truncated += b.Truncated
	l.free <- b
}

// settle counts and reports bad pairs in row order, so that which one breaks the budget does not depend on timing.
func (l *Loader) settle(p *pending) error {
	p.batch.Truncated = 0
	for row, skipped := range p.skipped {
		for _, bad := range skipped {
			if l.bad[bad.index] {
				continue
			}
			l.bad[bad.index] = true
			pair := l.pairs[bad.index]
			if len(l.bad) > l.cfg.SkipBudget {
				return fmt.Errorf("loading pair %d of %s (%s, text %d), bad pair number %d with a budget of %d: %w; repair them or take them out (package dataset/check finds them), or raise the budget",
					bad.index, l.source.Name(), dataset.Label(l.source, pair.ImageID), pair.TextID, len(l.bad), l.cfg.SkipBudget, bad.err)
			}
			if l.cfg.OnSkip != nil {
				l.cfg.OnSkip(pair, bad.err)
			}
		}
		if p.batch.Pairs[row] < 0 {
			return fmt.Errorf("loading %s: all %d pairs are bad: %w; repair them or take them out (package dataset/check finds them)", l.source.Name(), len(l.pairs), skipped[0].err)
		}
		if p.cut[row] {
			p.batch.Truncated++
		}
	}
	return nil
}

// Close stops the workers and waits for them. It may be called at any time and more than once.
func (l *Loader) Close() {
	l.cancel()
	l.running.Wait()
	if l.err == nil {
		l.err = ErrClosed
	}
}
