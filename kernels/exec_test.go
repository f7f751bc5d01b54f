package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseExec(t *testing.T) {
	t.Parallel()
	got, err := parseExec([]string{"-kernel", "npu", "a.ipynb", "epochs=3", "-timeout", "20m", "note=a=b c", "-out=/tmp/x", "empty="})
	want := execOptions{notebook: "a.ipynb", kernel: "npu", out: "/tmp/x", timeout: 20 * time.Minute,
		params: []param{{"epochs", "3"}, {"note", "a=b c"}, {"empty", ""}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	for _, c := range []struct{ line, says string }{
		{"", "which notebook"},
		{"a.ipynb b.ipynb", `"b.ipynb" is neither`},
		{"a.ipynb Epochs=3", `parameter name "Epochs"`},
		{"a.ipynb 1st=3", `parameter name "1st"`},
		{"a.ipynb x=1 x=2", "x is given twice"},
		{"a.ipynb -timeout soon", "soon"},
		{"a.ipynb -timeout -1s", "negative"},
		{"-verbose a.ipynb", "-verbose"},
	} {
		if _, err := parseExec(strings.Fields(c.line)); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v, want errUsage with %q", c.line, err, c.says)
		}
	}
}

func TestPublishKeepsOlderResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := time.Date(2026, 11, 23, 12, 30, 5, 0, time.UTC)
	runOnce := func(text string) string {
		t.Helper()
		work := t.TempDir()
		for _, ext := range []string{".ipynb", ".html"} {
			if err := os.WriteFile(filepath.Join(work, "n"+ext), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := publish(work, dir, "n", true, &out); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, "n.ipynb"), made, made); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if said := runOnce("1"); strings.Contains(said, "kept") {
		t.Errorf("nothing was there to keep: %s", said)
	}
	if said := runOnce("2"); strings.Count(said, "kept the older one as "+filepath.Join(dir, "n.20261123T123005Z.")) != 2 {
		t.Errorf("keeping was not said: %s", said)
	}
	runOnce("3") // made at the same time as 2
	for name, want := range map[string]string{"n": "3", "n.20261123T123005Z": "1", "n.20261123T123005Z-2": "2"} {
		for _, ext := range []string{".ipynb", ".html"} {
			if got, err := os.ReadFile(filepath.Join(dir, name+ext)); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; want %q", name+ext, got, err, want)
			}
		}
	}
	if err := publish(t.TempDir(), dir, "n", true, io.Discard); err == nil {
		t.Error("a run without results was published")
	}
}

// A run that failed or was interrupted leaves what it did beside the last good result, which stays what it is.
func TestPublishUnfinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leave := func(text string, whole bool) string {
		t.Helper()
		work := t.TempDir()
		for _, ext := range []string{".ipynb", ".html"} {
			if err := os.WriteFile(filepath.Join(work, "n"+ext), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := publish(work, dir, "n", whole, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if said := leave("aborted", false); strings.Contains(said, "still") || !strings.Contains(said, "wrote "+filepath.Join(dir, "n.unfinished.html")) {
		t.Errorf("the first run was aborted: %s", said)
	}
	if _, err := os.Stat(filepath.Join(dir, "n.html")); err == nil {
		t.Error("an aborted run is called the result")
	}
	leave("good", true)
	if said := leave("failed", false); !strings.Contains(said, "the last run that ended well is still "+filepath.Join(dir, "n.html")) {
		t.Errorf("a run failed after a good one: %s", said)
	}
	for name, want := range map[string]string{"n.html": "good", "n.ipynb": "good", "n.unfinished.html": "failed", "n.unfinished.ipynb": "failed"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// line is the control line to a runner that obeys, or does not.
type line struct {
	bytes.Buffer
	closed chan struct{}
}

func (l *line) Close() error { close(l.closed); return nil }

func TestSupervise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		signals []os.Signal
		timeout time.Duration
		deaf    bool // the runner does not end when the line closes, only when it is killed
		quick   time.Duration
		said    string
		closed  bool
		after   time.Duration
		late    bool
	}{
		{name: "undisturbed", quick: time.Hour, after: time.Hour},
		{name: "one Ctrl-C, the cell saves for two minutes", signals: []os.Signal{os.Interrupt}, quick: 2 * time.Minute, said: "interrupt\n", after: 2 * time.Minute},
		{name: "two Ctrl-C", signals: []os.Signal{os.Interrupt, os.Interrupt}, said: "interrupt\n", closed: true, after: 2 * time.Second},
		{name: "terminated", signals: []os.Signal{syscall.SIGTERM}, closed: true, after: time.Second},
		{name: "terminated, deaf", signals: []os.Signal{syscall.SIGTERM}, deaf: true, closed: true, after: 11 * time.Second},
		{name: "timeout, the cell saves for ten minutes", timeout: time.Minute, quick: 11 * time.Minute, said: "interrupt\n", after: 11 * time.Minute, late: true},
		{name: "timeout, a cell that does not end", timeout: time.Minute, said: "interrupt\n", closed: true, after: patience + 90*time.Second, late: true},
		{name: "timeout, deaf", timeout: time.Minute, deaf: true, said: "interrupt\n", closed: true, after: patience + 100*time.Second, late: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				control := &line{closed: make(chan struct{})}
				signals, ended, killed := make(chan os.Signal), make(chan error), make(chan struct{})
				go func() {
					for _, s := range c.signals {
						time.Sleep(time.Second)
						signals <- s
					}
				}()
				go func() {
					var quick <-chan time.Time
					if c.quick > 0 {
						quick = time.After(c.quick)
					}
					obey := control.closed
					if c.deaf {
						obey = nil
					}
					select {
					case <-quick:
					case <-obey:
					case <-killed:
					}
					ended <- nil
				}()
				start := time.Now()
				late := supervise(control, func() error { close(killed); return nil }, signals, c.timeout, ended, io.Discard)
				closed := false
				select {
				case <-control.closed:
					closed = true
				default:
				}
				if late != c.late || closed != c.closed || control.String() != c.said || time.Since(start) != c.after {
					t.Errorf("late %v, closed %v, said %q, after %s; want %v, %v, %q, %s", late, closed, &control.Buffer, time.Since(start), c.late, c.closed, c.said, c.after)
				}
			})
		})
	}
}
