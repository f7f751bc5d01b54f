package progress

import (
	"strings"
	"testing"
	"time"
)

// Pictures take twenty times what texts take. After a tenth of the pictures, which is a sixtieth of the parts, the time that is left is nine times what
// they took and the texts' share, and while texts are encoded it is theirs.
func TestLeftFollowsTheCosts(t *testing.T) {
	l := New(&strings.Builder{}, "encoding", 6000).Then(1000, 20).Then(5000, 1)
	start := time.Unix(1000, 0)
	at := func(seconds float64, done int64) time.Duration {
		sum, all := l.work(done)
		l.speed.add(start.Add(time.Duration(seconds*float64(time.Second))), sum)
		return l.speed.left(all)
	}
	if left := at(5, 0); left != 0 { // the first report, after what was compiled
		t.Errorf("%v before anything was done", left)
	}
	for i := 1; i <= 10; i++ {
		want := time.Duration(float64(100-i)*2+25*2) * time.Second // 2 s for ten pictures, or two hundred texts
		if left := at(5+2*float64(i), int64(10*i)); left.Round(time.Second) != want {
			t.Errorf("after %d pictures %v, want %v", 10*i, left, want)
		}
	}
	for i := range 40 { // pictures have become twice as slow: the recent speed counts
		at(25+4*float64(i+1), int64(100+10*(i+1)))
	}
	if left := at(189, 510); left.Round(time.Second) != (49+25)*4*time.Second {
		t.Errorf("%v", left)
	}
	if sum, all := l.work(6000); sum != all || all != 25000 {
		t.Errorf("%v of %v", sum, all)
	}
}

// The line says it, in place of the bar's own guess.
func TestLineSaysWhatIsLeft(t *testing.T) {
	var out strings.Builder
	l := New(&out, "encoding", 30).Then(10, 3).Then(20, 1)
	l.speed.add(time.Now().Add(-time.Minute), 0)
	l.Of(10, 0)
	l.Finish()
	if !strings.Contains(out.String(), "encoding, 40s left") || !strings.Contains(out.String(), "/30") {
		t.Errorf("%q", out.String())
	}
}
