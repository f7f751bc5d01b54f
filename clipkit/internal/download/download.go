package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"clipnb/clipkit/internal/atomicfile"
)

// ErrFailed is wrapped when a file could not be fetched, ErrOffline when it was not tried.
var (
	ErrFailed  = errors.New("download failed")
	ErrOffline = errors.New("not downloaded: offline mode is on")
)

// File is one file to fetch. Only URLs and Path are needed.
type File struct {
	URLs     []string                      // the same file on several servers, tried in order; https, or http on this machine
	Path     string                        // where it will lie; its folder is made
	Size     int64                         // bytes, 0 when unknown
	MaxSize  int64                         // what a server may send at most; 0 is 16 GiB
	SHA256   string                        // hexadecimal, "" when unknown: then the one that the server states, if it does (X-Linked-Etag of HF's hub)
	Offline  bool                          // fail with ErrOffline instead of fetching
	Progress func(done, total int64)       // total is -1 when the server does not say
	Arrived  func(sum string, stated bool) // hears the SHA-256 of what was fetched, and whether that is the one that was known or that a server stated

	Client *http.Client                                         // nil is http.DefaultClient
	Stall  time.Duration                                        // a try ends after so long without a byte; 0 is one minute
	Wait   func(ctx context.Context, pause time.Duration) error // waits between tries; nil sleeps
	Free   func(dir string) (int64, error)                      // what the disk has left; nil asks the system
}

const (
	maxTries    = 5       // in a row without progress, before the next server is asked
	progress    = 1 << 20 // bytes that count as progress
	defaultMax  = 16 << 30
	longestWait = 30 * time.Second

	// A server to which the network lets nothing through gives no answer at all: it gets two short tries.
	answerWithin  = 20 * time.Second
	maxUnanswered = 2
)

// Fetch downloads a file so that Path is whole or absent. The bytes gather in Path.part, which a later call continues if the server still
// has the same file (Range with If-Range). A broken connection is tried again with growing pauses, then the next server is asked. Size and
// SHA-256 are checked before the file gets its name, and the hash is kept beside it in Path.sha256. Processes that want the same file wait
// for each other (Path.lock). A file that is already at Path is left alone, if its size is right.
//
// An error that another try would not mend ends the tries at once: 404, a page of HTML or a Git LFS pointer instead of the file, a full disk.
func Fetch(ctx context.Context, r File) error {
	if have, err := r.present(); have || err != nil {
		return err
	}
	if r.Offline {
		return fmt.Errorf("%w: put the file at %s by hand; it is at %s", ErrOffline, r.Path, strings.Join(r.URLs, " or "))
	}
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o777); err != nil {
		return fmt.Errorf("downloading to %s: %w", r.Path, err)
	}
	lock := flock.New(r.Path + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for another process that downloads %s: %w", r.Path, err)
	}
	defer lock.Close()
	if have, err := r.present(); have || err != nil {
		return err // the other process did it
	}
	var failures []error
	for _, url := range r.URLs {
		err := r.fromServer(ctx, url)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("downloading %s: %w; what has arrived is kept, the next try continues", r.Path, context.Cause(ctx))
		case errors.Is(err, syscall.ENOSPC):
			return fmt.Errorf("%w: the disk of %s is full; make room and try again, what has arrived is kept: %w", ErrFailed, r.Path, err)
		}
		failures = append(failures, fmt.Errorf("%s: %w", url, err))
	}
	return fmt.Errorf("%w: %s: %w", ErrFailed, r.Path, errors.Join(failures...))
}

// present tells whether the file is there already; one of another size is an error.
func (r File) present() (bool, error) {
	info, err := os.Stat(r.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a regular file", r.Path)
	case r.Size > 0 && info.Size() != r.Size:
		return false, fmt.Errorf("%w: %s has %d bytes, want %d: remove it to download it again", ErrFailed, r.Path, info.Size(), r.Size)
	}
	return true, nil
}

// fromServer tries one address until the file is whole, an error is final, or too many tries in a row made no progress.
func (r File) fromServer(ctx context.Context, url string) error {
	if err := checkURL(url); err != nil {
		return err
	}
	part, err := openPartial(r.Path+".part", url)
	if err != nil {
		return err
	}
	defer part.Close()
	start := part.size
	best := start
	for failed := 0; ; {
		err := r.try(ctx, part)
		if err == nil {
			return r.finish(part)
		}
		var final *finalError
		if ctx.Err() != nil || errors.As(err, &final) || errors.Is(err, syscall.ENOSPC) {
			return err
		}
		if part.size >= best+progress {
			best, failed = part.size, 0
		}
		failed++
		if failed == maxTries || failed == maxUnanswered && best == start && errors.Is(err, errUnreachable) {
			return fmt.Errorf("%d tries: %w", failed, err)
		}
		if err := r.wait(ctx, pause(failed, err)); err != nil {
			return err
		}
	}
}

// pause before the next try: 1, 2, 4, … seconds, or what the server asked for.
func pause(failed int, err error) time.Duration {
	d := time.Second << (failed - 1)
	var busy *busyError
	if errors.As(err, &busy) {
		d = max(d, busy.after)
	}
	return min(d, longestWait)
}

func (r File) wait(ctx context.Context, d time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// finish checks the whole file and gives it its name. A file with a wrong hash is deleted.
func (r File) finish(part *partial) error {
	if err := part.file.Sync(); err != nil {
		return err
	}
	if _, err := part.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, part.file); err != nil {
		return err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	want := strings.ToLower(r.SHA256)
	if want == "" {
		want = part.SHA256
	}
	if want != "" && sum != want {
		part.discard()
		return &finalError{fmt.Errorf("the file's SHA-256 is %s, want %s: it is not the published file or was damaged on the way", sum, want)}
	}
	if r.Arrived != nil {
		r.Arrived(sum, want != "")
	}
	if err := part.Close(); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(r.Path+".sha256", []byte(sum+"  "+filepath.Base(r.Path)+"\n")); err != nil {
		return err
	}
	if err := os.Rename(part.path, r.Path); err != nil {
		return err
	}
	if err := os.Remove(part.path + ".json"); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(r.Path))
}
