package clipkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/mpi"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/launch"
	"clipnb/clipkit/train"
)

// rankEnv names, in a process of a run that Processes started, the file of its rankJob. Such a process is a copy of a notebook's cell or of any other
// program, and ends here, before the program's own code: a cell that trains would otherwise start again.
const rankEnv = "CLIPKIT_RANK_JOB"

func init() {
	if path := os.Getenv(rankEnv); path != "" {
		os.Unsetenv(rankEnv)
		os.Exit(rankMain(path))
	}
}

// rankMain is a rank from its start to its end. An error that all ranks know of is reported by the one whose it is, and no failure of the processes.
func rankMain(path string) int {
	// Outside of Finetune the launcher's signal to stop, which comes again every second, must not end the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	w, err := mpi.Join()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clipkit:", err)
		return 1
	}
	out := launch.NewReporter(os.Stdout)
	err = rank(context.Background(), w, path, out.Progress)
	if err != nil && !errors.Is(err, exchange.ErrElsewhere) {
		out.Error(err)
	}
	if err := w.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "clipkit:", err)
		return 1
	}
	return 0
}

// rank opens what the job names and trains.
func rank(ctx context.Context, w exchange.World, path string, tell func(train.Progress)) error {
	if err := exchange.ShareCores(w); err != nil {
		return err
	}
	f := &tuning{world: w, tell: tell}
	closeAll, err := f.open(ctx, path)
	defer closeAll()
	if err == nil {
		err = f.check()
	}
	_, err = f.here(ctx, err)
	return err
}

// open is newRankJob the other way round.
func (f *tuning) open(ctx context.Context, path string) (closeAll func(), err error) {
	closeAll = func() {
		for _, m := range []*Model{f.model, f.teacher} {
			if m != nil {
				m.Close()
			}
		}
		if f.data != nil {
			f.data.Close()
		}
	}
	text, err := regular.ReadFile(path, 64<<20)
	if err != nil {
		return closeAll, fmt.Errorf("reading what to train: %w", err)
	}
	var j rankJob
	if err := json.Unmarshal(text, &j); err != nil {
		return closeAll, fmt.Errorf("reading what to train: %w", err)
	}
	f.config, f.memory, f.data = j.Config, j.Memory, &dataset.Dataset{Name: j.Data}
	for i, to := range []*dataset.Source{&f.data.Train, &f.data.Valid} {
		if j.Splits[i].Path == "" {
			continue
		}
		s, err := j.Splits[i].Open()
		if err != nil {
			return closeAll, err
		}
		*to = s
	}
	for _, m := range []struct {
		from *reopened
		to   **Model
	}{{&j.Model, &f.model}, {j.Teacher, &f.teacher}} {
		if m.from == nil {
			continue
		}
		mine, err := device.OfRank(m.from.Device, f.world.Local())
		if err != nil {
			return closeAll, err
		}
		if *m.to, err = m.from.load(ctx, mine); err != nil {
			return closeAll, err
		}
	}
	return closeAll, nil
}
