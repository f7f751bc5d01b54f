package watch

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestLoss(t *testing.T) {
	var g Loss
	for i := range lossesNeeded {
		if _, spiked := g.Spiked(100, 3); spiked {
			t.Errorf("a spike after %d losses", i)
		}
		g.Add(2)
	}
	if _, spiked := g.Spiked(6, 3); spiked {
		t.Error("three times the median counts as more")
	}
	if median, spiked := g.Spiked(6.1, 3); !spiked || median != 2 {
		t.Errorf("6.1 after losses of 2: %v, median %v", spiked, median)
	}
	if _, spiked := g.Spiked(1e9, 0); spiked {
		t.Error("a guard that is off")
	}
	g = Loss{}
	for i := range lossesKept {
		if _, stuck := g.Stuck(64); stuck {
			t.Errorf("stuck after %d losses", i)
		}
		g.Add(math.Log(64) + 0.01)
	}
	if text, stuck := g.Stuck(64); !stuck || !strings.Contains(text, "ln(64) = 4.159") {
		t.Errorf("%q", text)
	}
	if _, stuck := g.Stuck(64); stuck {
		t.Error("said twice")
	}
}

// What is left is told by the steps of this process alone, without its first, which compiles; where that is long it is better than nothing.
func TestPace(t *testing.T) {
	var p Pace
	for _, c := range []struct {
		took time.Duration
		want time.Duration // of ten steps
	}{{59 * time.Second, 0}, {time.Second, 10 * time.Second}, {3 * time.Second, 30 * time.Second}, {3 * time.Second, 30 * time.Second}} {
		p.Add(c.took)
		if got := p.Of(10); got != c.want {
			t.Errorf("after a step of %v: %v, want %v", c.took, got, c.want)
		}
	}
	var days Pace
	if days.Add(time.Hour); days.Of(10) != 10*time.Hour {
		t.Errorf("after a first step of an hour: %v", days.Of(10))
	}
	if days.Add(time.Minute); days.Of(10) != 10*time.Minute {
		t.Errorf("after a second of a minute: %v", days.Of(10))
	}
	for range Paced {
		p.Add(time.Minute)
	}
	if got := p.Of(2); got != 2*time.Minute {
		t.Errorf("after %d steps of a minute: %v", Paced, got)
	}
}

// No time is negative or nothing, whatever a clock does.
// fault 32
func TestTook(t *testing.T) {
	now := time.Unix(1000, 0)
	for took, want := range map[time.Duration]time.Duration{time.Second: time.Second, 0: 1, -time.Hour: 1} {
		if got := Took(now, now.Add(took)); got != want {
			t.Errorf("%v is %v, want %v", took, got, want)
		}
	}
}
