package clipkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/mpi"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/launch"
	"clipnb/clipkit/live"
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

// processes is how many share the run.
func (f *tuning) processes() (int, error) {
	_, err := f.locations()
	w := launch.Wanted{Device: f.model.Towers.Device, Ranks: max(1, f.config.WorldSize), Accum: max(1, f.config.AccumFreq), Closed: err}
	if f.options.processes != 0 {
		return f.options.processes, w.Check(f.options.processes)
	}
	n, line := w.Choose()
	if line != "" {
		say(line)
	}
	return n, nil
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
	tell, finish := live.Show(run, train.TotalSteps(s.Pairs, f.config), false)
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := mpi.Run(ctx, mpi.Job{Processes: n, Program: program, Env: []string{rankEnv + "=" + filepath.Join(dir, "job.json"), "GONB_PIPE="}, Stdout: w, Stderr: os.Stderr, Say: say})
		w.Close()
		ended <- err
	}()
	err = launch.Follow(r, tell, say)
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
