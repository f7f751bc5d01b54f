package progress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nothing is written before something is done; then the line names the work, the count, and ends.
func TestLine(t *testing.T) {
	var out strings.Builder
	l := New(&out, "encoding", 4)
	l.Finish()
	if out.Len() > 0 {
		t.Errorf("before the first report: %q", out.String())
	}
	l.Of(1, 3) // the parts' own totals do not count
	l.Describe("encoding more")
	l.Of(4, 4)
	l.Finish()
	for _, part := range []string{"encoding", "(4/4", "encoding more"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in %q", part, out.String())
		}
	}
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("the line does not end: %q", out.String())
	}
	out.Reset()
	l = New(&out, "encoding", 4).Compiling()
	if out.String() != "\rencoding: compiling" {
		t.Errorf("while it compiles: %q", out.String())
	}
	l.Finish()
	if want := "\rencoding: compiling\r" + strings.Repeat(" ", 19) + "\r"; out.String() != want {
		t.Errorf("nothing was to be done: %q, want %q", out.String(), want)
	}
	var none *Line
	none.Of(1, 2)
	none.Finish()
}

// The line of a long step is at most as wide as the terminal: the bar gives way first, then the end of what is being done; how far and how long it still
// takes stay. What was drawn before is overwritten to its end.
func TestLineFitsTheTerminal(t *testing.T) {
	for _, c := range []struct{ columns, what, want string }{
		{"120", "training: loss 3.250, 0.4 pairs/s", "training: loss 3.250, 0.4 pairs/s, 2d15h left  17% |██              | (601/3492)"},
		{"", "training: loss 3.250, 0.4 pairs/s", "training: loss 3.250, 0.4 pairs/s, 2d15h left  17% |█         | (601/3492)"},
		{"60", "training: loss 3.250, 0.4 pairs/s", "training: loss 3.250, 0.4 pair…, 2d15h left  17% (601/3492)"},
		{"40", "编码我的图片 encoding my pictures", "编码我的图…, 2d15h left  17% (601/3492)"},
		{"1", "encoding", "…, 2d15h left  17% (601/3492)"},
		{"wide", "encoding", "encoding, 2d15h left  17% |██              | (601/3492)"},
	} {
		t.Setenv("COLUMNS", c.columns)
		var out strings.Builder
		l := New(&out, strings.Repeat("before ", 20), 3492)
		l.Left(63 * time.Hour)
		l.Of(600, 0)
		first := columns(l.shown)
		l.Describe(c.what)
		l.Of(601, 0)
		l.Finish()
		lines := strings.Split(out.String(), "\r")
		last := strings.TrimSuffix(lines[len(lines)-1], "\n")
		if got := strings.TrimRight(last, " "); got != c.want {
			t.Errorf("COLUMNS=%s:\n%q, want\n%q", c.columns, got, c.want)
		}
		if columns(last) < first {
			t.Errorf("COLUMNS=%s: %d columns over %d", c.columns, columns(last), first)
		}
	}
}

// A file gets a line at the first report, one now and then, and the last state.
func TestLineInAFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Setenv("GONB_PIPE", "")
	clock := time.Unix(1000, 0)
	l := New(f, "encoding", 100)
	l.now = func() time.Time { return clock }
	for n := range 101 {
		l.Of(n, 0)
		clock = clock.Add(500 * time.Millisecond)
	}
	l.Finish()
	got, err := os.ReadFile(f.Name())
	want := "encoding   0% |                | (0/100)\nencoding, 35s left  30% |████            | (30/100)\nencoding, 20s left  60% |█████████       | (60/100)\n" +
		"encoding, 5s left  90% |██████████████  | (90/100)\nencoding, in 50s 100% |████████████████| (100/100)\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestBytes(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(1000, 0)
	l := Bytes(&out, "downloading")
	l.now = func() time.Time { return clock }
	l.Set(1_000_000, 0)
	clock = clock.Add(2 * time.Second)
	l.Set(5_000_000, 10_000_000)
	if want := "\rdownloading (1.0 MB)\rdownloading  50% |████████        | (5.0/10.0 MB, 2.5 MB/s)"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWords(t *testing.T) {
	for want, d := range map[string]time.Duration{"40s": 40 * time.Second, "89s": 89 * time.Second, "1m30s": 90 * time.Second, "9m05s": 9*time.Minute + 5*time.Second, "10m": 10*time.Minute - time.Millisecond, "59m": 59*time.Minute + 20*time.Second,
		"1h00m": 59*time.Minute + 40*time.Second, "5h07m": 307 * time.Minute, "47h59m": 47*time.Hour + 59*time.Minute, "2d0h": 48 * time.Hour, "3d4h": 76 * time.Hour} {
		if got := Duration(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for want, x := range map[string]float64{"180": 180.4, "10": 10.2, "3.2": 3.21, "0.4": 0.42, "0.042": 0.0421, "0": 0} {
		if got := Rate(x); got != want {
			t.Errorf("%v is %q, want %q", x, got, want)
		}
	}
}

// A line that is late says nothing of work that is done at once, and is there when its second has passed.
func TestLate(t *testing.T) {
	var out strings.Builder
	l := New(&out, "looking", 2).Late()
	l.Of(2, 2)
	l.Finish()
	if out.String() != "" {
		t.Errorf("at once: %q", out.String())
	}
	l.from = time.Now()
	l.Of(1, 2)
	if !strings.Contains(out.String(), "looking") {
		t.Errorf("after its second: %q", out.String())
	}
}
