package progress

import (
	"strings"
	"testing"
	"time"
)

// A clock that is set back or on, or that stands, gives no negative or endless time left; and the clock that is used goes on whatever is set: its times
// carry the reading that Sub takes.
// fault 32
func TestNoTimeLeftIsNegative(t *testing.T) {
	for name, jumps := range map[string][]time.Duration{
		"set back":    {time.Second, time.Second, -time.Hour, time.Second, time.Second},
		"set on":      {time.Second, time.Second, 72 * time.Hour, time.Second},
		"stands":      {0, 0, 0, 0},
		"to and fro":  {time.Hour, -2 * time.Hour, time.Hour, -time.Minute, time.Second},
		"back always": {-time.Second, -time.Second, -time.Second},
	} {
		for _, costs := range []bool{false, true} {
			var out strings.Builder
			clock := time.Unix(1_000_000, 0)
			l := New(&out, "encoding", 10)
			if costs {
				l.Then(5, 3).Then(5, 1)
			}
			l.now = func() time.Time { return clock }
			for done, jump := range jumps {
				clock = clock.Add(jump)
				l.Of(done+1, 0)
				if l.left < 0 || l.left > 1000*time.Hour {
					t.Errorf("%s: after %d of 10 %v left", name, done+1, l.left)
				}
			}
			l.Of(12, 0) // more than all
			l.Finish()
			if strings.ContainsAny(out.String(), "-") || l.left < 0 {
				t.Errorf("%s: %q", name, out.String())
			}
		}
	}
	if now := New(&strings.Builder{}, "encoding", 1).now().String(); !strings.Contains(now, " m=") {
		t.Errorf("%s has no monotonic reading", now)
	}
}
