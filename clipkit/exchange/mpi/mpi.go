// Package mpi joins this process to those that a launcher (mpirun, srun) started beside it, and is such a launcher for a program that starts itself.
// Nothing of MPI is needed to build: the library is opened at run time. Package exchange's comment is the manual.
//
//	world, err := mpi.Join()                                // exchange.Alone, without a launcher
//	err := mpi.Run(ctx, mpi.Job{Processes: 8, Args: args})  // this program again, eight times
package mpi

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"clipnb/clipkit/exchange"
)

// piece is how many floats one MPI_Allreduce adds up: 1 MiB stays in the caches of the ranks that read each other's; pieces of 16 MiB take eight
// times as long.
const piece = 1 << 18

// most is how many bytes one call of MPI may move, whose counts are ints.
var most = 1 << 30

// world is all processes that one launcher started.
type world struct {
	rank, size, local int

	calls   chan func() // run by MPI's own thread
	watch   *watchdog
	entered atomic.Bool // MPI was initialised and not yet left
	closed  error
}

var joined struct {
	sync.Once
	world exchange.World
	err   error
}

// Join gives the world of the launcher that started this process, and exchange.Alone where none did. Later calls give the same world. From here on
// Go, XLA and OpenMP use this rank's share of the cores, where the environment names no number of threads.
func Join() (exchange.World, error) {
	joined.Do(func() {
		if joined.world, joined.err = join(); joined.err != nil && Worker() {
			say(rankOfEnvironment(), joined.err) // Run reports it once, whatever the ranks print of it
		}
	})
	return joined.world, joined.err
}

func join() (exchange.World, error) {
	l, err := launcher()
	if err != nil {
		return nil, err
	}
	if l == nil {
		return exchange.Alone, nil
	}
	path, err := l.library()
	if err != nil {
		return nil, err
	}
	limit, err := patience()
	if err != nil {
		return nil, err
	}
	w := &world{calls: make(chan func())}
	w.watch = newWatchdog(limit, w)
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // MPI_THREAD_FUNNELED: only the thread that initialised may call. It stays locked, and ends with the goroutine
		failed <- w.init(path)
		for call := range w.calls {
			call()
		}
	}()
	if err := <-failed; err != nil {
		close(w.calls)
		return nil, err
	}
	if err := l.belongs(path, w.size); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.shareCores(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *world) init(path string) error {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	var abi *C.char
	if text := C.mpi_load(p, &abi); text != nil {
		return fmt.Errorf("%w: opening the MPI library: %s; set MPI_LIBRARY to the libmpi.so of the launcher", exchange.ErrWorld, C.GoString(text))
	}
	w.watch.begins("MPI_Init")
	defer w.watch.ends()
	if err := failure("MPI_Init", C.mpi_init()); err != nil {
		return fmt.Errorf("%w (library %s, %s)", err, path, C.GoString(abi))
	}
	w.entered.Store(true)
	var rank, size, local C.int
	if err := failure("MPI_Comm_rank", C.mpi_rank(&rank, &size, &local)); err != nil {
		return err
	}
	w.rank, w.size, w.local = int(rank), int(size), int(local)
	return nil
}

func failure(what string, code C.int) error {
	if code == 0 {
		return nil
	}
	var text [1024]C.char
	C.mpi_error(code, &text[0], C.int(len(text)))
	return fmt.Errorf("%w: %s: %s", exchange.ErrWorld, what, C.GoString(&text[0]))
}

// do runs call on MPI's thread.
func (w *world) do(what string, call func() error) error {
	if w.closed != nil {
		return w.closed
	}
	done := make(chan error, 1)
	w.calls <- func() {
		w.watch.begins(what)
		defer w.watch.ends()
		done <- call()
	}
	return <-done
}

func (w *world) Rank() int  { return w.rank }
func (w *world) Size() int  { return w.size }
func (w *world) Local() int { return w.local }

func (w *world) Sum(x []float32) error {
	return w.do("Sum", func() error {
		for len(x) > 0 {
			n := min(piece, len(x))
			if err := failure("Sum", C.mpi_sum((*C.float)(&x[0]), C.int(n))); err != nil {
				return err
			}
			x = x[n:]
		}
		return nil
	})
}

func (w *world) Gather(mine, all []byte) error {
	if len(mine) > math.MaxInt/w.size || len(all) != w.size*len(mine) {
		return fmt.Errorf("%w: gathering %d bytes of each of %d ranks into %d", exchange.ErrWorld, len(mine), w.size, len(all))
	}
	if len(mine) == 0 {
		return nil
	}
	if len(all) <= most {
		return w.do("Gather", func() error {
			return failure("Gather", C.mpi_gather(unsafe.Pointer(&mine[0]), unsafe.Pointer(&all[0]), C.int(len(mine))))
		})
	}
	copy(all[w.rank*len(mine):], mine)
	for r := range w.size { // rank by rank, for a piece of every rank's would not lie together
		if err := w.Share(all[r*len(mine):(r+1)*len(mine)], r); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Share(x []byte, root int) error {
	if root < 0 || root >= w.size {
		return fmt.Errorf("%w: rank %d of a world of %d", exchange.ErrWorld, root, w.size)
	}
	return w.do("Share", func() error {
		for len(x) > 0 {
			n := min(most, len(x))
			if err := failure("Share", C.mpi_share(unsafe.Pointer(&x[0]), C.int(n), C.int(root))); err != nil {
				return err
			}
			x = x[n:]
		}
		return nil
	})
}

// Close waits for all ranks and leaves MPI, which cannot be joined again.
func (w *world) Close() error {
	if w.closed != nil {
		return nil
	}
	err := w.do("Close", func() error {
		defer w.entered.Store(false)
		return failure("MPI_Finalize", C.mpi_finalize())
	})
	close(w.calls)
	w.closed = fmt.Errorf("%w: this process has left the other ranks", exchange.ErrWorld)
	return err
}
