package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchedState(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	w := &watched{doing: "pip install", part: regexp.MustCompile(`^Collecting `), parts: 98, start: start}
	if got := w.state(start, 79); got != "      pip install: 0 s, 0 of 98" {
		t.Errorf("before it says anything: %q", got)
	}
	for _, piece := range []string{"Collecting anyio==4.9.0\n  Downloading any", "io.whl\nCollecting jupyterlab==4.6.6 (from -r x)\r\n", "  \x1b[31mCached\x1b[0m 图\r", strings.Repeat("x", 1<<18)} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := w.state(start.Add(41*time.Second), 79); got != "      pip install: 41 s, 2 of 98: [31mCached[0m " {
		t.Errorf("got %q", got)
	}
	if got := w.state(start.Add(41*time.Second), 30); got != "      pip install: 41 s, 2 of…" {
		t.Errorf("in 30 columns: %q", got)
	}
	if len(w.rest) > 1<<16 {
		t.Errorf("%d bytes of a line are kept", len(w.rest))
	}
}

// Without a terminal a step that takes a minute says so in four lines, and a short one says nothing.
func TestFollowWritesALineNowAndThen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		takes time.Duration
		lines int
	}{{2 * time.Second, 0}, {61 * time.Second, 4}} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			w := &watched{doing: "go install", start: time.Now()}
			stop := w.follow(&out)
			w.Write([]byte("go: downloading a\n"))
			time.Sleep(c.takes)
			stop()
			if n := strings.Count(out.String(), "\n"); n != c.lines || c.lines > 0 && !strings.HasPrefix(out.String(), "      go install: 15 s: go: downloading a\n") {
				t.Errorf("%v: %q", c.takes, out.String())
			}
		})
	}
}
