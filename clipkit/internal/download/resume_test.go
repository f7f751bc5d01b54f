package download

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Each break is followed by a request for exactly what is missing: no byte is sent twice.
// fault 8
func TestFetchResumesAfterBreaks(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 0:
			drop(w, 0, 1<<20)
		case 1:
			w.WriteHeader(http.StatusBadGateway)
			return true
		case 2:
			drop(w, 1<<20, 2<<20+7)
		}
		return false
	})
	var pauses []time.Duration
	r := request(t, &pauses, s.URL)
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if ranges, sent := s.seen(); strings.Join(ranges, " ") != " bytes=1048576- bytes=1048576- bytes=2097159-" || sent != len(content) {
		t.Errorf("asked for %q, sent %d of %d", ranges, sent, len(content))
	}
	if fmt.Sprint(pauses) != "[1s 2s 1s]" {
		t.Errorf("pauses %v", pauses)
	}
}

// A process that is stopped leaves its bytes to the next one.
func TestFetchContinuesAfterCancel(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content[:1<<20])
			_ = http.NewResponseController(w.(*meter).ResponseWriter).Flush()
			<-r.Context().Done()
			return true
		}
		return false
	})
	r := request(t, nil, s.URL)
	ctx, cancel := context.WithCancel(t.Context())
	r.Progress = func(done, _ int64) {
		if done == 1<<20 {
			cancel()
		}
	}
	if err := Fetch(ctx, r); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "continues") {
		t.Fatal(err)
	}
	mustBeAbsent(t, r)
	r.Progress = nil
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, r)
	if ranges, sent := s.seen(); sent != len(content) || ranges[1] != "bytes=1048576-" {
		t.Errorf("sent %d, asked %q", sent, ranges)
	}
}

// What was received may not be continued: the file changed, or the server does not know ranges, or answers them wrongly.
// fault 8
func TestFetchStartsAgain(t *testing.T) {
	part := func(w http.ResponseWriter, contentRange, etag string) bool {
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(make([]byte, 100))
		return true
	}
	for name, second := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"no ranges": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write(content)
			return true
		},
		"another ETag": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("If-Range") != `"v1"` {
				t.Errorf("If-Range %q", r.Header.Get("If-Range"))
			}
			w.Header().Set("ETag", `"v2"`)
			return false // ServeContent honours If-Range and sends the whole file
		},
		"another ETag in a part": func(w http.ResponseWriter, r *http.Request) bool {
			return part(w, fmt.Sprintf("bytes %d-%d/%d", 1<<20, len(content)-1, len(content)), `"v2"`)
		},
		"another place": func(w http.ResponseWriter, r *http.Request) bool { return part(w, "bytes 5-104/105", `"v1"`) },
		"another length": func(w http.ResponseWriter, r *http.Request) bool {
			return part(w, fmt.Sprintf("bytes %d-%d/%d", 1<<20, 5<<20-1, 5<<20), `"v1"`)
		},
		"nonsense": func(w http.ResponseWriter, r *http.Request) bool { return part(w, "bytes */*", `"v1"`) },
		"416": func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
				switch n {
				case 0:
					drop(w, 0, 1<<20)
				case 1:
					return second(w, r)
				}
				return false
			})
			r := request(t, nil, s.URL)
			if err := Fetch(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			mustBeWhole(t, r)
		})
	}
}
