package launch

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// What ranks write is heard: rows, the first error as itself, and whatever else they print.
func TestReports(t *testing.T) {
	var out strings.Builder
	r := NewReporter(&out)
	r.Row(experiment.Row{Kind: "train", Step: 1})
	fmt.Fprintln(&out, "a line of a library")
	r.Row(experiment.Row{Kind: "train", Step: 2})
	r.Error(fmt.Errorf("rank 1: %w: batch_size is 1", train.ErrConfig))
	r.Error(errors.New("a later one"))
	out.WriteString("no end")
	var steps []int
	var said []string
	err := Follow(strings.NewReader(out.String()), func(row experiment.Row) { steps = append(steps, row.Step) }, func(line string) { said = append(said, line) })
	if !errors.Is(err, train.ErrConfig) || err.Error() != "rank 1: train: bad setting: batch_size is 1" {
		t.Error(err)
	}
	if fmt.Sprint(steps) != "[1 2]" || strings.Join(said, "|") != "a line of a library|no end" {
		t.Errorf("steps %v, said %q", steps, said)
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
