package progress

import (
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
	var none *Line
	none.Of(1, 2)
	none.Finish()
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
