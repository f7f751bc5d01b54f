package imaging

import (
	"context"
	"fmt"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Each calls work for 0 to n-1, on as many pictures at a time as there are processors. After an error no further picture is begun, and those
// that were begun are finished: the error that comes back is that of the lowest number, whatever the timing. A panic of work is an error too,
// because one hostile picture must not end the program.
func Each(ctx context.Context, n int, work func(i int) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	errs := make([]error, n)
	for i := 0; i < n && working.Err() == nil; i++ {
		group.Go(func() error {
			errs[i] = guarded(i, work)
			return errs[i]
		})
	}
	if group.Wait() != nil {
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func guarded(i int, work func(i int) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: preparing picture %d: panic: %v", ErrCorrupt, i, r)
		}
	}()
	return work(i)
}

// Value is a pixel's: a level, or normalised.
type Value interface{ uint8 | float32 }

// Batch is some of the pictures that Batches prepares, in order.
type Batch[T Value] struct {
	First, N int // of picture First and the N-1 after it
	Pixels   []T // [N, 3, R, R]
}

// Batches prepares n pictures with Each and gives them in batches of size, the last of what is left:
//
//	for b, err := range imaging.Batches(ctx, len(files), 64, 224, func(i int) ([]uint8, error) { return imaging.TransformLevels(ctx, files[i], 224) }) {
//		if err != nil {
//			return err
//		}
//		vectors, err := m.EncodeLevels(ctx, b.Pixels, b.N)
//		…
//	}
//
// prepare makes [3, resolution, resolution] of a picture, and names the picture in its error; it is called by several goroutines. While one
// batch is in use the next is prepared and at most one more waits, so no more than three are in memory. An error, or the end of ctx, comes as
// the last pair. When the loop is left, prepare is no longer running.
func Batches[T Value](ctx context.Context, n, size, resolution int, prepare func(i int) ([]T, error)) iter.Seq2[Batch[T], error] {
	type prepared struct {
		batch Batch[T]
		err   error
	}
	return func(yield func(Batch[T], error) bool) {
		working, cancel := context.WithCancel(ctx)
		ahead, ended := make(chan prepared, 1), make(chan struct{})
		defer func() { cancel(); <-ended }()
		go func() {
			defer close(ended)
			defer close(ahead)
			for first := 0; first < n; first += size {
				b := Batch[T]{First: first, N: min(size, n-first)}
				err := b.prepare(working, resolution, prepare)
				select {
				case ahead <- prepared{b, err}:
				case <-working.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
		done := 0
		for p := range ahead {
			if !yield(p.batch, p.err) || p.err != nil {
				return
			}
			done += p.batch.N
		}
		if done < n {
			yield(Batch[T]{}, ctx.Err())
		}
	}
}

func (b *Batch[T]) prepare(ctx context.Context, resolution int, prepare func(i int) ([]T, error)) error {
	values := 3 * resolution * resolution
	b.Pixels = make([]T, b.N*values)
	return Each(ctx, b.N, func(i int) error {
		picture, err := prepare(b.First + i)
		if err == nil && len(picture) != values {
			err = fmt.Errorf("picture %d was prepared to %d values, want [3, %d, %d]", b.First+i, len(picture), resolution, resolution)
		}
		copy(b.Pixels[i*values:], picture)
		return err
	})
}
