package mpi

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// workerVariable is set in what Run starts.
const workerVariable = "CLIPKIT_RANK_OF_RUN"

// Worker says whether Run started this process: a program that starts itself does a rank's work then, and nothing else.
func Worker() bool { return os.Getenv(workerVariable) != "" }

// Interrupted is a context of a rank that ends when the run is asked to stop: Run's context ended, or the launcher passed on SIGUSR1, SIGINT or
// SIGTERM. Ranks may learn of it at different steps: they agree through an exchange. A rank calls it first of all, for the signal ends a process that
// does not expect it.
func Interrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGUSR1, syscall.SIGINT, syscall.SIGTERM)
}
