package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Programs that hang are not waited for, and none may download what it lacks.
func TestDoctorDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var fetches []string
		hang := func(ctx context.Context, c command) error {
			if !slices.Contains(c.env, "GOPROXY=off") || !slices.Contains(c.env, "GOTOOLCHAIN=local") {
				mu.Lock()
				fetches = append(fetches, c.argv[0])
				mu.Unlock()
			}
			<-ctx.Done()
			return ctx.Err()
		}
		s := &setup{root: t.TempDir(), out: io.Discard, look: func(name string) (string, error) { return "/bin/" + name, nil }, run: hang}
		start := time.Now()
		found := s.examine(t.Context(), "")
		if took := time.Since(start); took != answerIn {
			t.Errorf("it took %v", took)
		}
		if found.golang.err == nil || !strings.Contains(found.golang.err.Error(), errSilent.Error()) || found.python.err == nil || len(fetches) > 0 {
			t.Errorf("found %+v; may fetch: %q", found, fetches)
		}
	})
}

func TestCaches(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ home, cache, says string }{
		{t.TempDir(), "", ""},
		{t.TempDir(), filepath.Join(t.TempDir(), "not", "yet"), ""},
		{"", "", "set HOME, or XDG_CACHE_HOME, to a folder that can be written"},
		{file, "", "set XDG_CACHE_HOME to a folder that can be written"},
	} {
		t.Setenv("HOME", c.home)
		t.Setenv("XDG_CACHE_HOME", c.cache)
		at := slices.IndexFunc(caches, func(c cache) bool { return c.variable == "XDG_CACHE_HOME" })
		dir, err := caches[at].folder()
		if c.says == "" && (err != nil || dir == "") || c.says != "" && (!errors.Is(err, errCache) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("HOME=%s XDG_CACHE_HOME=%s: %q, %v; want %q", c.home, c.cache, dir, err, c.says)
		}
	}
}
