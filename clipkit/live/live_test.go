package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/train"
	stepping "clipnb/clipkit/train/step"

	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// drawn is a live chart on a clock of its own, on which a drawing takes a while.
func drawn(cost time.Duration) (l *charts, clock *time.Time, places *[]string) {
	clock, places = new(time.Time), new([]string)
	*clock = time.Unix(1, 0)
	l = &charts{now: func() time.Time { return *clock }}
	l.place = func(data map[protocol.MIMEType]any) {
		*places = append(*places, data[protocol.MIMETextHTML].(string))
		*clock = clock.Add(cost)
	}
	return l, clock, places
}

func step(n int) experiment.Row {
	return experiment.Row{Kind: "train", Step: n, Loss: 5 - float64(n)/1000, ImageToTextAcc: 20, TextToImageAcc: 30}
}

func TestLiveChartsCostNoTime(t *testing.T) {
	for _, c := range []struct {
		step, cost time.Duration
		drawings   [2]int // at least, at most
	}{
		{50 * time.Millisecond, 5 * time.Millisecond, [2]int{20, 26}}, // the emoji model: every 2 seconds
		{50 * time.Millisecond, 100 * time.Millisecond, [2]int{2, 4}}, // a browser that is slow to take it
		{10 * time.Second, 10 * time.Millisecond, [2]int{1000, 1000}}, // a large model: every step
	} {
		l, clock, places := drawn(c.cost)
		for n := 1; n <= 1000; n++ {
			*clock = clock.Add(c.step)
			l.add(step(n))
		}
		if n := len(*places); n < c.drawings[0] || n > c.drawings[1] {
			t.Errorf("steps of %v, drawings of %v: %d drawings", c.step, c.cost, n)
		}
		if drawing := time.Duration(len(*places)-1) * c.cost; drawing > 10*c.step {
			t.Errorf("drawing took %v, more than 1 %% of the %v of 1000 steps", drawing, 1000*c.step)
		}
	}
}

func TestLiveChartsEndWhole(t *testing.T) {
	l, clock, places := drawn(time.Millisecond)
	for n := 1; n <= 30; n++ {
		*clock = clock.Add(100 * time.Millisecond)
		l.add(step(n))
	}
	l.add(experiment.Row{Kind: "valid", Step: 30, Loss: 4.5})
	l.finish()
	first, last := (*places)[0], (*places)[len(*places)-1]
	// Each drawing is loss and accuracy, alive and with a picture for notebooks without scripts: the last one, of all 30 steps and the validation, looks
	// as the first.
	for name, html := range map[string]string{"first": first, "last": last} {
		if strings.Count(html, ".push([") != 2 || strings.Count(html, "data:image/svg+xml") != 2 {
			t.Errorf("the %s drawing: %.3000s", name, html)
		}
		// Who opens the notebook may have only the last; what is between finds the library in the page.
		if !strings.Contains(html, "clipkitLibrary=") {
			t.Errorf("the %s drawing brings no library", name)
		}
	}
	if n := len(*places); n < 3 || strings.Contains((*places)[1], "clipkitLibrary=") {
		t.Errorf("%d drawings, and one between brings the library again", n)
	}
	if !strings.Contains(last, "train: 4.999 → 4.97 (30)") || !strings.Contains(last, "validation: 4.5") {
		t.Errorf("the last drawing: %.3000s", last)
	}

	idle, _, none := drawn(0)
	idle.finish()
	var off *charts
	off.add(step(1))
	off.finish()
	if len(*none) > 0 {
		t.Errorf("a run without a step drew %d charts", len(*none))
	}
	if newCharts(t.TempDir()) != nil {
		t.Error("a terminal got charts")
	}
}

// The line of progress has the speed with a digit where it is slow, the micro-batch of a long step, and what is left as the run says it, not as the whole
// count of steps, part of which another process made, would have it.
func TestLineOfASlowRun(t *testing.T) {
	var out strings.Builder
	t.Setenv("COLUMNS", "120")
	tell, finish := show(progress.New(&out, "training", 3492), t.TempDir())
	last := func() string {
		lines := strings.Split(strings.TrimRight(out.String(), "\r\n "), "\r")
		return lines[len(lines)-1]
	}
	row := experiment.Row{Kind: "train", Step: 601, Loss: 3.25, ImagesPerSecond: 0.42}
	for _, c := range []struct {
		p    train.Progress
		want []string
	}{
		{train.Progress{Pass: stepping.Pass{Phase: "features", Done: 1, Of: 32}, Steps: 3492}, []string{"training, features of micro-batch 1/32", "(0/3492"}},
		{train.Progress{Row: row, Steps: 3492}, []string{"training: loss 3.250, 0.4 pairs/s", "(601/3492"}},
		{train.Progress{Pass: stepping.Pass{Phase: train.Validation, Done: 512, Of: 6000}, Steps: 3492}, []string{"training, validating 512/6000: loss 3.250, 0.4 pairs/s", "(601/3492"}},
		{train.Progress{Row: experiment.Row{Kind: "valid", Step: 601}, Steps: 3492}, []string{"\rtraining: loss 3.250, 0.4 pairs/s  17%"}},
		{train.Progress{Pass: stepping.Pass{Phase: "gradients", Done: 30, Of: 32}, Steps: 3492, Remaining: 63 * time.Hour},
			[]string{"training, gradients of micro-batch 30/32: loss 3.250, 0.4 pairs/s, 2d15h left", "(601/3492"}},
	} {
		time.Sleep(300 * time.Millisecond) // the line is drawn four times a second
		tell(c.p)
		for _, part := range c.want {
			if !strings.Contains("\r"+last(), part) {
				t.Errorf("the line is %q, want %q in it", last(), part)
			}
		}
		if _, guess, ok := strings.Cut(last(), "["); ok && strings.Contains(guess, ":") {
			t.Errorf("the line guesses: %q", last())
		}
	}
	finish()
}

// go test -run xxx -bench Drawing ./clipkit/live
func BenchmarkDrawing(b *testing.B) {
	for _, n := range []int{235, 5_000, 100_000} {
		b.Run(fmt.Sprint(n, " steps"), func(b *testing.B) {
			l, _, _ := drawn(0)
			for i := range n {
				l.rows = append(l.rows, step(i))
			}
			for b.Loop() {
				l.next = time.Time{}
				l.add(step(n))
			}
		})
	}
}
