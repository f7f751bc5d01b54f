package mpi

// #cgo CFLAGS: -O3
// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"clipnb/clipkit/exchange"
)

// gatherPiece keeps counts far from the 2³¹ where they end.
const gatherPiece = 16 << 20

// world calls MPI on a thread of its own, as MPI_THREAD_FUNNELED wants.
type world struct {
	rank, size, local int
	abi               string

	calls  chan func()
	call   atomic.Pointer[call] // what runs now
	closed bool
}

// call is a collective call in progress.
type call struct {
	what  string
	since time.Time
}

// Join makes this process, which a launcher started, one of a world; all of them call it. It returns when all have. Without a launcher it is alone.
func Join() (exchange.World, error) {
	if !Launched() {
		return exchange.Alone, nil
	}
	limit, err := patience()
	if err != nil {
		return nil, err
	}
	path, err := library()
	if err != nil {
		return nil, err
	}
	w := &world{calls: make(chan func())}
	begun := make(chan error)
	go func() {
		runtime.LockOSThread()
		begun <- w.init(path)
		for call := range w.calls {
			call()
		}
	}()
	if err := <-begun; err != nil {
		return nil, err
	}
	go w.watch(limit)
	return w, nil
}

func (w *world) init(path string) error {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	var abi *C.char
	if text := C.mpi_load(p, &abi); text != nil {
		return fmt.Errorf("%w: opening %s: %s; set MPI_LIBRARY to the libmpi.so of the launcher", exchange.ErrWorld, path, C.GoString(text))
	}
	w.abi = C.GoString(abi)
	name, started := promised()
	foreign := func(sees string) error {
		return fmt.Errorf("%w: the launcher (%s) started %d processes, but %s (%s) sees %s: it belongs to another MPI; set MPI_LIBRARY to the launcher's own",
			exchange.ErrWorld, name, started, path, w.version(), sees)
	}
	if fromOpenMPI := strings.HasPrefix(w.version(), "Open MPI"); fromOpenMPI != (launcherFlavour() == openMPI) && os.Getenv("SLURM_STEP_ID") == "" {
		return foreign("none of them") // it would end the process, or wait for ever
	}
	if err := failure("joining the ranks", C.mpi_init()); err != nil {
		return err
	}
	var rank, size, local C.int
	if err := failure("asking for the rank", C.mpi_rank(&rank, &size, &local, window(), C.int(atMost))); err != nil {
		return err
	}
	w.rank, w.size, w.local = int(rank), int(size), int(local)
	if started > 0 && started != w.size {
		return foreign(fmt.Sprint(w.size))
	}
	return nil
}

// windowEnv, when it is "off", leaves sums to MPI's own reductions, where the shared memory of a host makes trouble.
const windowEnv = "CLIPKIT_MPI_WINDOW"

func window() C.int {
	if os.Getenv(windowEnv) == "off" {
		return 0
	}
	return 1
}

// atMost is how many ranks of a host add up in its memory; 0: all. Tests make several hosts of one with it.
var atMost = 0

func (w *world) version() string {
	var text [256]C.char
	C.mpi_version(&text[0], C.size_t(len(text)))
	first, _, _ := strings.Cut(C.GoString(&text[0]), "\n")
	first, _, _ = strings.Cut(first, ",")
	return strings.TrimSpace(first)
}

func failure(what string, code C.int) error {
	if code == 0 {
		return nil
	}
	var text [512]C.char
	C.mpi_error(code, &text[0], C.size_t(len(text)))
	return fmt.Errorf("%w: %s: MPI says: %s", exchange.ErrWorld, what, strings.TrimSpace(C.GoString(&text[0])))
}

func (w *world) Rank() int  { return w.rank }
func (w *world) Size() int  { return w.size }
func (w *world) Local() int { return w.local }

// on runs f on MPI's thread and waits.
func (w *world) on(what string, f func() C.int) (err error) {
	if w.closed {
		return fmt.Errorf("%w: %s: this world is closed", exchange.ErrWorld, what)
	}
	w.call.Store(&call{what, time.Now()})
	done := make(chan struct{})
	w.calls <- func() {
		err = failure(what, f())
		close(done)
	}
	<-done
	w.call.Store(nil)
	return err
}

func (w *world) Sum(x []float32) error {
	if len(x) == 0 {
		return nil
	}
	return w.on("adding up", func() C.int { return C.mpi_sum((*C.float)(&x[0]), C.size_t(len(x))) })
}

func (w *world) Gather(mine, all []byte) error {
	if len(all) != w.size*len(mine) {
		return fmt.Errorf("%w: gathering %d bytes of %d ranks into %d", exchange.ErrWorld, len(mine), w.size, len(all))
	}
	return w.on("gathering", func() C.int {
		if len(mine) > 0 && len(mine) <= gatherPiece {
			return C.mpi_gather(unsafe.Pointer(&mine[0]), unsafe.Pointer(&all[0]), C.int(len(mine)))
		}
		piece := make([]byte, w.size*min(len(mine), gatherPiece))
		for at := 0; at < len(mine); at += gatherPiece {
			n := min(len(mine)-at, gatherPiece)
			if e := C.mpi_gather(unsafe.Pointer(&mine[at]), unsafe.Pointer(&piece[0]), C.int(n)); e != 0 {
				return e
			}
			for r := range w.size {
				copy(all[r*len(mine)+at:], piece[r*n:(r+1)*n])
			}
		}
		return 0
	})
}

func (w *world) Share(x []byte, root int) error {
	if root < 0 || root >= w.size {
		return fmt.Errorf("%w: sharing what rank %d has in a world of %d", exchange.ErrWorld, root, w.size)
	}
	return w.on("sharing", func() C.int {
		for len(x) > 0 {
			n := min(len(x), gatherPiece)
			if e := C.mpi_share(unsafe.Pointer(&x[0]), C.int(n), C.int(root)); e != 0 {
				return e
			}
			x = x[n:]
		}
		return 0
	})
}

// Abort does not go through MPI's thread, which may wait for ever: launchers end all ranks when one ends with a status that is not 0.
func (w *world) Abort(reason error) {
	if w.size > 1 {
		text := fmt.Sprintf("rank %d: %v", w.rank, reason)
		fmt.Fprintln(os.Stderr, text)
		LastWords(text)
		os.Exit(1)
	}
}

// Close waits until all ranks close.
func (w *world) Close() error {
	if w.closed {
		return nil
	}
	err := w.on("leaving", func() C.int { return C.mpi_finalize() })
	w.closed = true
	close(w.calls)
	return err
}

// watch ends the run when a call waits for longer than limit: a rank hangs, or waits in another call, and no launcher sees that.
func (w *world) watch(limit time.Duration) {
	for range time.Tick(min(limit, 10*time.Second)) {
		if c := w.call.Load(); c != nil && time.Since(c.since) > limit {
			w.Abort(fmt.Errorf("%w: %s has waited for the other ranks for %v: one of them hangs. If it only works that long (a slow disk, a large model), set %s to more",
				exchange.ErrWorld, c.what, limit, patienceEnv))
		}
	}
}

const patienceEnv = "CLIPKIT_MPI_TIMEOUT"

// patience is longer than a large model takes to compile or to be saved.
func patience() (time.Duration, error) {
	text := os.Getenv(patienceEnv)
	if text == "" {
		return time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%w: %s is %q, want a time such as 90m", exchange.ErrWorld, patienceEnv, text)
	}
	return d, nil
}
