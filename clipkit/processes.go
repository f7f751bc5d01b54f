package clipkit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/mpi"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
)

// settleWorldSize fills in the number of ranks where it is not set: that of the run which is continued, as rank 0 finds it, else the number of processes.
func (f *tuning) settleWorldSize() error {
	was := []int64{0}
	var err error
	if dir, missing := repo.Run(f.config.Name); missing == nil && f.config.Name != "" && isFile(filepath.Join(dir, "config.json")) && f.world.Rank() == 0 {
		var s struct{ train.Config }
		err = experiment.ReadConfig(dir, &s)
		was[0] = int64(s.WorldSize)
	}
	if err := errors.Join(err, exchange.Share(f.world, was, 0)); err != nil || f.config.WorldSize != 0 {
		return err
	}
	n := max(f.world.Size(), f.options.processes)
	if f.config.WorldSize = int(was[0]); f.config.WorldSize == 0 && n > 1 {
		f.config.WorldSize = n
	}
	return nil
}

// processes is how many share the run: as many as Processes says, else one for each card of an NPU that the ranks divide among.
func (f *tuning) processes() (int, error) {
	name := f.model.Towers.Device.Asked
	cards, ranks := device.Available(name), max(1, f.config.WorldSize)
	turns := ranks * max(1, f.config.AccumFreq)
	if f.options.processes == 0 {
		n := 1
		if f.model.Towers.Device.IsNPU() {
			n = min(max(1, cards), ranks)
		}
		for turns%n != 0 {
			n--
		}
		if _, err := f.locations(); err != nil && n > 1 {
			say(err.Error())
			n = 1
		}
		switch together := f.model.Towers.Device.Count(); {
		case together > 1:
			say(fmt.Sprintf("the batches of %d ranks are shared by %d devices (%s)", ranks, together, name))
		case n < ranks:
			say(fmt.Sprintf("the batches of %d ranks are taken in turns on %s", ranks, devices(n, name)))
		}
		return n, nil
	}
	n := f.options.processes
	switch _, err := device.OfRank(name, 0); {
	case n < 1:
		return 0, fmt.Errorf("%w: Processes is %d, want 1 or more, or 0 for as many as there are devices", train.ErrConfig, n)
	case n > 1 && err != nil:
		return 0, fmt.Errorf("%d processes: %w", n, err)
	case n > 1 && cards > 0 && n > cards:
		return 0, fmt.Errorf("%w: %d processes want %s, and there are %d", train.ErrConfig, n, devices(n, name), cards)
	case turns%n != 0:
		return 0, fmt.Errorf("%w: %d processes cannot share %d batches of a step (world_size %d × accum_freq %d) evenly", train.ErrConfig, n, turns, ranks, turns/ranks)
	}
	return n, nil
}

// devices names those that n processes take.
func devices(n int, name string) string {
	first, err := device.OfRank(name, 0)
	last, err2 := device.OfRank(name, n-1)
	if n == 1 || err != nil || err2 != nil || first == last {
		return "one device (" + name + ")"
	}
	return fmt.Sprintf("%d devices, %s to %s", n, first, last)
}

// rankJob is what the processes of a run read: all that this one was given.
type rankJob struct {
	Model   reopened
	Teacher *reopened
	Data    string              // its name
	Splits  [2]dataset.Location // for training and validation
	Config  train.Config
	Memory  int64
}

// newRankJob puts model and data where other processes can open them; dir is for what lies in no file.
func (f *tuning) newRankJob(dir string) (j rankJob, err error) {
	j = rankJob{Data: f.data.Name, Config: f.config, Memory: f.memory}
	if j.Splits, err = f.locations(); err != nil {
		return j, err
	}
	if j.Model, err = reopen(f.model, dir); err != nil || f.teacher == nil {
		return j, err
	}
	teacher, err := reopen(f.teacher, dir)
	j.Teacher = &teacher
	return j, err
}

// locations are where the splits for training and validation lie.
func (f *tuning) locations() (at [2]dataset.Location, err error) {
	for i, s := range []dataset.Source{f.data.Train, f.data.Valid} {
		if s == nil {
			continue
		}
		var ok bool
		if at[i], ok = dataset.LocationOf(s); !ok {
			return at, fmt.Errorf("other processes cannot open %s, which this one made: write it (dataset.WriteTSV) and open that, or leave out Processes", s.Name())
		}
	}
	return at, nil
}

// apart has n processes train, follows them, and loads what they made.
func (f *tuning) apart(ctx context.Context, n int) (*Run, error) {
	s, err := bind(f.model, f.data, f.config, f.teacher)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "clipkit-ranks-")
	if err != nil {
		return nil, fmt.Errorf("starting %d processes: %w", n, err)
	}
	defer os.RemoveAll(dir)
	job, err := f.newRankJob(dir)
	if err != nil {
		return nil, fmt.Errorf("starting %d processes: %w", n, err)
	}
	text, err := json.Marshal(job)
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, "job.json"), text)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %d processes: %w", n, err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting %d processes: %w", n, err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := filepath.Join(repo.Experiments(), f.config.Name)
	tell, finish := show(run, s.Pairs, f.config, false)
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := mpi.Run(ctx, mpi.Job{Processes: n, Program: program, Env: []string{rankEnv + "=" + filepath.Join(dir, "job.json"), "GONB_PIPE="}, Stdout: w, Stderr: os.Stderr, Say: say})
		w.Close()
		ended <- err
	}()
	err = follow(r, tell)
	finish()
	if failed := <-ended; err == nil { // what a rank reports says more than how it ended
		err = failed
	}
	if err != nil {
		return nil, err
	}
	c, err := checkpoint.Find(run, say)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := weights.Load(f.model.Towers, f.model.Towers.Config, c.Model); err != nil {
		return nil, fmt.Errorf("loading what the processes trained: %w", err)
	}
	return f.finished(run, n)
}

// report is a line of what a rank writes to its standard output.
type report struct {
	Row   *experiment.Row `json:"row,omitempty"`
	Error string          `json:"error,omitempty"`
	Is    int             `json:"is,omitempty"` // 1 + the place in tellable
}

// tellable are the errors that stay themselves on their way from a rank.
var tellable = []error{train.ErrInterrupted, train.ErrMemory, train.ErrConfig, train.ErrDiverged, experiment.ErrOtherSettings, experiment.ErrBusy, dataset.ErrFormat, dataset.ErrNotFound}

func newReport(err error) report {
	r := report{Error: err.Error()}
	for i, known := range tellable {
		if r.Is == 0 && errors.Is(err, known) {
			r.Is = 1 + i
		}
	}
	return r
}

// told is an error of a rank.
type told struct {
	text string
	is   error
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.is }

// follow reads what the ranks report until they end, and gives the error that one of them met.
func follow(from io.Reader, tell func(experiment.Row)) (err error) {
	lines := bufio.NewReader(from)
	for {
		line, end := lines.ReadString('\n')
		var r report
		switch {
		case json.Unmarshal([]byte(line), &r) != nil:
			if line = strings.TrimRight(line, "\n"); line != "" {
				say(line)
			}
		case r.Row != nil:
			tell(*r.Row)
		case r.Error != "" && err == nil:
			t := told{text: r.Error}
			if r.Is > 0 && r.Is <= len(tellable) {
				t.is = tellable[r.Is-1]
			}
			err = t
		}
		if end != nil {
			return err
		}
	}
}
