package train

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model/modeltest"
)

// A run whose clock is set back and on, or stands, trains on; no time that is left is negative, and no time or rate in its rows is negative, infinite or
// absent. A run that is given no clock takes one that such changes do not touch, and that does not count a machine's sleep.
// fault 32
func TestClockThatJumps(t *testing.T) {
	t.Parallel()
	jumps := []time.Duration{time.Second, -2 * time.Hour, time.Second, 48 * time.Hour, 0, -time.Minute, -time.Minute, 3 * time.Second}
	clock, asked := time.Unix(1_000_000, 0), 0
	job, run := small(t, t.TempDir(), "clock", modeltest.Tiny(t, "cpu:go", "vit"), func(c *Config) { c.MaxSteps, c.SaveMinutes = 6, 1 })
	job.Now = func() time.Time {
		asked++
		clock = clock.Add(jumps[asked%len(jumps)])
		return clock
	}
	told := 0
	job.Progress = func(p Progress) {
		if told++; p.Remaining < 0 {
			t.Errorf("after step %d: %v left", p.Row.Step, p.Remaining)
		}
	}
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	rows, err := experiment.ReadRows(run.Dir)
	if err != nil || len(rows) < 6 || told < 6 {
		t.Fatalf("%d rows, %d times told: %v", len(rows), told, err)
	}
	for _, r := range rows {
		for _, x := range []float64{r.DataTime, r.BatchTime, r.ImagesPerSecond} {
			if r.Kind == "train" && !(x > 0 && !math.IsInf(x, 0)) {
				t.Errorf("step %d: %+v", r.Step, r)
			}
		}
	}
	fresh, _ := small(t, t.TempDir(), "own clock", job.Model, nil)
	if err := fresh.prepare(); err != nil {
		t.Fatal(err)
	}
	if now := fresh.Now().String(); !strings.Contains(now, " m=") {
		t.Errorf("%s has no monotonic reading", now)
	}
}
