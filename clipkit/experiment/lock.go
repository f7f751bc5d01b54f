package experiment

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"clipnb/clipkit/internal/regular"

	"github.com/gofrs/flock"
)

// ErrNoLocks is wrapped where the file system keeps no locks, as some network disks do.
var ErrNoLocks = errors.New("the file system keeps no locks")

// takeLock makes the run of a folder this process's alone, until it ends. The file says who has it, for the message to the next; the lock of a process
// that is dead is free.
func takeLock(path string) (*flock.Flock, error) {
	lock := flock.New(path)
	locked, err := lock.TryLock()
	switch {
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS), errors.Is(err, errors.ErrUnsupported):
		return nil, fmt.Errorf("%w, so that two processes could write the run at once (%w): put it on another disk, or have this one mounted with locks (Lustre: -o flock)", ErrNoLocks, err)
	case err != nil:
		return nil, fmt.Errorf("locking %s: %w", path, err)
	case !locked:
		return nil, fmt.Errorf("%w%s: wait for it, stop it, or choose another name", ErrBusy, holder(path))
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	if f, err := regular.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0); err == nil { // what it says is a help and no more
		fmt.Fprintf(f, "process %d on %s\n", os.Getpid(), host)
		f.Close()
	}
	return lock, nil
}

// holder is who has the lock, as its file says; "" when it does not say.
func holder(path string) string {
	b, err := regular.ReadFile(path, 4096)
	who, whole := strings.CutSuffix(string(b), "\n")
	if err != nil || !whole || strings.ContainsAny(who, "\n\r\x1b") || !strings.HasPrefix(who, "process ") {
		return ""
	}
	return " (" + who + ")"
}
