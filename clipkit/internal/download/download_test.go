package download

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFetch(t *testing.T) {
	s := serve(t, nil)
	r := request(t, nil, s.URL)
	r.Size, r.SHA256 = int64(len(content)), strings.ToUpper(contentHash)
	var last, total int64
	r.Progress = func(d, n int64) { last, total = d, n }
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if err := Fetch(t.Context(), r); err != nil {
		t.Error(err)
	}
	if ranges, sent := s.seen(); len(ranges) != 1 || sent != len(content) || last != int64(len(content)) || total != last {
		t.Errorf("asked %q, sent %d, progress %d of %d", ranges, sent, last, total)
	}
	r.Size++
	if err := Fetch(t.Context(), r); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "remove it") {
		t.Error(err)
	}
}

// A server that has no ranges and breaks every time must not keep us for ever.
// fault 8
func TestFetchGivesUp(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		drop(w, 0, 2<<20)
		return true
	})
	var pauses []time.Duration
	r := request(t, &pauses, s.URL)
	err := Fetch(t.Context(), r)
	if ranges, _ := s.seen(); !errors.Is(err, ErrFailed) || !errors.Is(err, io.ErrUnexpectedEOF) || len(ranges) > 6 {
		t.Errorf("%d requests, %v", len(ranges), err)
	}
	mustBeAbsent(t, r)
}

// Answers that no second try mends; the next server is asked, and the error says what was wrong with the first.
func TestFetchGoesToTheNextServer(t *testing.T) {
	text := func(contentType, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, body)
		}
	}
	hub := func(key, value string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				_, _ = w.Write(content[:1000])
				return
			}
			w.Header().Set(key, value)
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	}
	for name, x := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"404":          {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "404 Not Found"},
		"html":         {text("text/html; charset=utf-8", "<p>log in</p>"), "a page of HTML"},
		"html as data": {text("application/octet-stream", "\n<!DOCTYPE HTML><title>x</title>"), "a page of HTML"},
		"lfs pointer":  {text("application/octet-stream", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"},
		"too big":      {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "999999999999") }, "more than the limit"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				_, _ = w.Write(content[:1<<16])
				_ = http.NewResponseController(w).Flush()
			}
		}, "more than 4194304 bytes"},
		"gzip": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(content)
		}, "compressed"},
		"wrong hash": {hub("X-Linked-Etag", `"`+contentHash+`"`), "SHA-256"},
		"wrong size": {hub("X-Linked-Size", "1001"), "1000 bytes of a file of 1001"},
		"plain http": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/x", http.StatusFound)
		}, "only https"},
		"round": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, "more than 10 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			first := httptest.NewServer(http.HandlerFunc(x.answer))
			defer first.Close()
			r := request(t, nil, first.URL)
			r.MaxSize = 4 << 20
			err := Fetch(t.Context(), r)
			if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), first.URL) {
				t.Errorf("%v, want %q", err, x.want)
			}
			mustBeAbsent(t, r)
			second := serve(t, nil)
			r.URLs = append(r.URLs, second.URL)
			if err := Fetch(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			mustBeWhole(t, r)
		})
	}
}

// fault 8
func TestFetchChecksSizeAndHash(t *testing.T) {
	for name, change := range map[string]func(r *File){
		"size": func(r *File) { r.Size = int64(len(content)) + 1 },
		"hash": func(r *File) { r.SHA256 = strings.Repeat("0", 64) },
	} {
		s := serve(t, nil)
		r := request(t, nil, s.URL)
		change(&r)
		err := Fetch(t.Context(), r)
		if ranges, _ := s.seen(); !errors.Is(err, ErrFailed) || len(ranges) != 1 {
			t.Errorf("%s: %d requests, %v", name, len(ranges), err)
		}
		mustBeAbsent(t, r)
	}
	chunked := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		_, _ = w.Write(content[:1<<20])
		_ = http.NewResponseController(w.(*meter).ResponseWriter).Flush() // no Content-Length
		return true
	})
	r := request(t, nil, chunked.URL)
	r.Size = int64(len(content))
	if err := Fetch(t.Context(), r); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "1048576 bytes were sent") {
		t.Error(err)
	}
	mustBeAbsent(t, r)
}
func TestFetchEndsStalls(t *testing.T) {
	t.Parallel()
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 0 {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:1<<20])
		_ = http.NewResponseController(w.(*meter).ResponseWriter).Flush()
		<-r.Context().Done()
		return true
	})
	r := request(t, nil, s.URL)
	r.Stall = 2 * time.Second // far longer than a busy machine takes from one byte to the next
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if _, sent := s.seen(); sent != len(content) {
		t.Errorf("sent %d", sent)
	}
}

// Without an ETag or a date nothing tells that the rest belongs to the beginning.
func TestFetchDoesNotContinueBlindly(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Del("ETag")
		if n == 0 {
			drop(w, 0, 1<<20)
		}
		return false
	})
	r := request(t, nil, s.URL)
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if ranges, _ := s.seen(); ranges[1] != "" {
		t.Errorf("asked for %q", ranges)
	}
}

// A server that is blocked keeps nobody waiting for five tries.
func TestFetchLeavesASilentServer(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	s := serve(t, nil)
	var pauses []time.Duration
	r := request(t, &pauses, gone.URL, s.URL)
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if len(pauses) != 1 {
		t.Errorf("pauses %v", pauses)
	}
}
func TestFetchStaysWithHTTPS(t *testing.T) {
	plain := serve(t, nil)
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer s.Close()
	r := request(t, nil, s.URL)
	r.Client = s.Client()
	if err := Fetch(t.Context(), r); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "only https") {
		t.Error(err)
	}
	if ranges, _ := plain.seen(); len(ranges) > 0 {
		t.Error("the plain server was asked")
	}
}
func TestFetchHonoursRetryAfter(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 2 {
			return false
		}
		w.Header().Set("Retry-After", []string{"7", "86400"}[n])
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	var pauses []time.Duration
	r := request(t, &pauses, s.URL)
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(pauses) != "[7s 30s]" {
		t.Errorf("pauses %v", pauses)
	}
}

// Two who want the same file: one fetches, the other waits.
func TestFetchTwiceAtOnce(t *testing.T) {
	s := serve(t, nil)
	r := request(t, nil, s.URL)
	errs := make(chan error, 2)
	for range 2 {
		go func() { errs <- Fetch(t.Context(), r) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	mustBeWhole(t, r)
	if ranges, sent := s.seen(); len(ranges) != 1 || sent != len(content) {
		t.Errorf("%d requests, %d bytes", len(ranges), sent)
	}
}

// fault 9
func TestFetchOffline(t *testing.T) {
	s := serve(t, nil)
	r := request(t, nil, s.URL)
	r.Offline = true
	err := Fetch(t.Context(), r)
	if ranges, _ := s.seen(); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), r.Path) || !strings.Contains(err.Error(), s.URL) || len(ranges) > 0 {
		t.Errorf("%d requests, %v", len(ranges), err)
	}
}

// A whole .part, whose process ended before it gave the file its name, is not fetched again.
func TestFetchTakesAWholePart(t *testing.T) {
	s := serve(t, nil)
	r := request(t, nil, s.URL)
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	note := fmt.Sprintf(`{"url":%q,"validator":"\"v1\"","total":%d,"sha256":%q}`, s.URL, len(content), contentHash)
	if err := errors.Join(os.WriteFile(r.Path+".part", content, 0o644), os.WriteFile(r.Path+".part.json", []byte(note), 0o644)); err != nil {
		t.Fatal(err)
	}
	err := Fetch(t.Context(), r)
	if ranges, _ := s.seen(); err != nil || len(ranges) != 0 {
		t.Fatal(err, ranges)
	}
	mustBeWhole(t, r)
}

// The hub redirects to where the bytes are, and says there what the file is; the rest of a broken file comes the same way.
func TestFetchThroughTheHub(t *testing.T) {
	var rest []string
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/resolve" {
			w.Header().Set("X-Linked-Etag", `"`+contentHash+`"`)
			w.Header().Set("X-Linked-Size", strconv.Itoa(len(content)))
			http.Redirect(w, r, "/bytes", http.StatusFound)
			return true
		}
		if n == 1 {
			drop(w, 0, 1<<20)
		}
		rest = append(rest, r.Header.Get("Range"), r.Header.Get("If-Range"))
		return false
	})
	r := request(t, nil, s.URL+"/resolve")
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if strings.Join(rest, " ") != `bytes=1048576- "v1"` {
		t.Errorf("asked for %q", rest)
	}
}
func TestCheckURL(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://example.com/x": true, "http://127.0.0.1:8/x": true, "http://[::1]/x": true, "http://localhost:8/x": true,
		"http://example.com/x": false, "http://localhost.example.com/x": false, "file:///etc/passwd": false, "ftp://127.0.0.1/x": false, ":": false,
	} {
		if err := checkURL(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A disk without room is said before the bytes come, and no other server is asked for them.
func TestFetchNeedsRoom(t *testing.T) {
	s, other := serve(t, nil), serve(t, nil)
	r := request(t, nil, s.URL, other.URL)
	r.Free = func(string) (int64, error) { return int64(len(content)) - 1, nil }
	err := Fetch(t.Context(), r)
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), strconv.Itoa(len(content)-1)+" are free") {
		t.Error(err)
	}
	if ranges, _ := other.seen(); len(ranges) > 0 {
		t.Error("the other server was asked")
	}
	mustBeAbsent(t, r)
	r.Free = func(string) (int64, error) { return int64(len(content)), nil }
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
}

// Whether anybody stated the hash is told.
func TestFetchSaysWhoStatedTheHash(t *testing.T) {
	s := serve(t, nil)
	for _, known := range []string{"", contentHash} {
		r := request(t, nil, s.URL)
		said := ""
		r.SHA256, r.Arrived = known, func(sum string, stated bool) { said = fmt.Sprint(sum, stated) }
		if err := Fetch(t.Context(), r); err != nil || said != fmt.Sprint(contentHash, known != "") {
			t.Error(said, err)
		}
	}
}
