package launch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/device"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/step"
)

// What ranks write is heard: rows, the first error as itself, and whatever else they print.
func TestReports(t *testing.T) {
	var out strings.Builder
	r := NewReporter(&out)
	r.Progress(train.Progress{Row: experiment.Row{Kind: "train", Step: 1}, Steps: 2, Remaining: time.Minute})
	fmt.Fprintln(&out, "a line of a library")
	r.Progress(train.Progress{Pass: step.Pass{Phase: "gradients", Done: 3, Of: 4}, Steps: 2})
	r.Progress(train.Progress{Row: experiment.Row{Kind: "train", Step: 2}, Steps: 2})
	r.Error(fmt.Errorf("rank 1: %w: batch_size is 1", train.ErrConfig))
	r.Error(errors.New("a later one"))
	out.WriteString("no end")
	var told []train.Progress
	var said []string
	err := Follow(strings.NewReader(out.String()), func(p train.Progress) { told = append(told, p) }, func(line string) { said = append(said, line) })
	if !errors.Is(err, train.ErrConfig) || err.Error() != "rank 1: train: bad setting: batch_size is 1" {
		t.Error(err)
	}
	if len(told) != 3 || told[0].Row.Step != 1 || told[0].Remaining != time.Minute || told[1].Pass != (step.Pass{Phase: "gradients", Done: 3, Of: 4}) || told[2].Row.Step != 2 || strings.Join(said, "|") != "a line of a library|no end" {
		t.Errorf("told %+v, said %q", told, said)
	}
	if err := Follow(strings.NewReader(""), nil, nil); err != nil {
		t.Error(err)
	}
}

func TestNumberOfProcesses(t *testing.T) {
	cpu := &device.Device{Name: "cpu", Asked: "cpu"}
	for _, c := range []struct {
		ranks, n int
		line     string
	}{{1, 1, ""}, {8, 1, "the batches of 8 ranks are taken in turns on one device (cpu)"}} {
		if n, line := (Wanted{Device: cpu, Ranks: c.ranks, Accum: 1}).Choose(); n != c.n || line != c.line {
			t.Errorf("%d ranks: %d processes, %q", c.ranks, n, line)
		}
	}
	w := Wanted{Device: cpu, Ranks: 4, Accum: 2}
	for n, says := range map[int]string{1: "", 2: "", 8: "", 3: "3 processes cannot share 8 batches of a step (world_size 4 × accum_freq 2) evenly", -1: "Processes is -1, want 1 or more"} {
		if err := w.Check(n); says == "" && err != nil || says != "" && (!errors.Is(err, train.ErrConfig) || !strings.Contains(err.Error(), says)) {
			t.Errorf("%d: %v, want %q", n, err, says)
		}
	}
}
