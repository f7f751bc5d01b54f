package mpi

// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"sync"
	"time"

	"clipnb/clipkit/exchange"
)

// PatienceVariable names the environment variable that says how long a rank waits for the others in one exchange, such as 90m; 0 is for ever.
const PatienceVariable = "CLIPKIT_EXCHANGE_TIMEOUT"

// A rank may compile for minutes while the others wait, and rank 0 may write a checkpoint to a slow disk.
const usualPatience = 30 * time.Minute

func patience() (time.Duration, error) {
	text := os.Getenv(PatienceVariable)
	if text == "" {
		return usualPatience, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%w: %s=%q is no length of time such as 90m (0: wait for ever)", exchange.ErrWorld, PatienceVariable, text)
	}
	return d, nil
}

// watchdog ends a run in which this rank waits too long for the others: one of them hangs, or has taken another way through the program.
type watchdog struct {
	limit time.Duration
	fire  func(what string)

	mu    sync.Mutex
	timer *time.Timer
}

func newWatchdog(limit time.Duration, w *world) *watchdog {
	return &watchdog{limit: limit, fire: func(what string) {
		w.Abort(fmt.Errorf("%w: waited %v in %s for the other ranks: one of them hangs or does something else (%s sets how long a rank waits)", exchange.ErrWorld, limit, what, PatienceVariable))
	}}
}

func (d *watchdog) begins(what string) {
	if d.limit == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(d.limit, func() { d.fire(what) })
}

func (d *watchdog) ends() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

// Abort prints why, in one line that Run looks for when it started this rank, and ends all ranks with status 1. MPI's thread may be waiting in an
// exchange, so another one calls; should MPI not come back from that, the end of this process makes the launcher end the others.
func (w *world) Abort(reason error) {
	aborting.Do(func() {
		say(rankOfEnvironment(), reason)
		time.AfterFunc(5*time.Second, func() { os.Exit(1) })
		if w.entered.Load() {
			C.mpi_abort(1)
		}
		os.Exit(1)
	})
	select {} // another goroutine of this rank is ending the process
}

var aborting sync.Once

// say writes one reason, in a line that Run finds among what the launcher prints.
func say(rank string, reason error) {
	if Worker() {
		fmt.Fprintf(os.Stderr, "%s%s: %q\n", mark, rank, reason.Error())
		return
	}
	fmt.Fprintf(os.Stderr, "rank %s: %v\n", rank, reason)
}

// mark begins the line of a rank that says why it ends all: mark, rank, colon and the quoted reason.
const mark = "\x1eclipkit rank "

// rankOfEnvironment is the rank as the launcher tells it, also to a process that failed to join.
func rankOfEnvironment() string {
	for _, name := range []string{"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"} {
		if rank := os.Getenv(name); rank != "" {
			return rank
		}
	}
	return "?"
}
