package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// content is 3 MiB, so that a connection can break after progress.
var content = func() []byte {
	b := make([]byte, 3<<20)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b)
	return b
}()

var contentHash = func() string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}()

// server serves content, with faults; it counts what it was asked for and what it sent.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string
	sent   int
}

// serve starts one; fault sees the n-th request first and says whether it has answered.
func serve(t *testing.T, fault func(n int, w http.ResponseWriter, r *http.Request) bool) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.ranges)
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		c := &meter{ResponseWriter: w, s: s}
		c.Header().Set("ETag", `"v1"`)
		if fault == nil || !fault(n, c, r) {
			http.ServeContent(c, r, "", time.Time{}, bytes.NewReader(content))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// seen gives the ranges asked for and the bytes sent so far.
func (s *server) seen() (ranges []string, sent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ranges, s.sent
}

type meter struct {
	http.ResponseWriter
	s *server
}

func (c *meter) Write(b []byte) (int, error) {
	c.s.mu.Lock()
	c.s.sent += len(b)
	c.s.mu.Unlock()
	return c.ResponseWriter.Write(b)
}

// drop sends some bytes of the whole file under its full length and breaks the connection.
func drop(w http.ResponseWriter, from, to int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(content[from:to])
	_ = http.NewResponseController(w.(*meter).ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// request fetches without waiting; pauses collects what the waits would have been.
func request(t *testing.T, pauses *[]time.Duration, urls ...string) File {
	return File{URLs: urls, Path: filepath.Join(t.TempDir(), "sub", "file.pt"), Wait: func(ctx context.Context, d time.Duration) error {
		if pauses != nil {
			*pauses = append(*pauses, d)
		}
		return ctx.Err()
	}}
}

// mustBeWhole checks the file, its hash beside it, and that nothing else is left but the lock.
func mustBeWhole(t *testing.T, r File) {
	t.Helper()
	got, err := os.ReadFile(r.Path)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	note, err := os.ReadFile(r.Path + ".sha256")
	if err != nil || string(note) != contentHash+"  file.pt\n" {
		t.Errorf("hash file %q, %v", note, err)
	}
	names, err := os.ReadDir(filepath.Dir(r.Path))
	if err != nil || len(names) != 3 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
func mustBeAbsent(t *testing.T, r File) {
	t.Helper()
	if _, err := os.Stat(r.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is something at the path: %v", err)
	}
}
