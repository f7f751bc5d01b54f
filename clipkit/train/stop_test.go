package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
)

// events are what a rank of a run tells of as it goes, one after the other; the one numbered stop, from 1, ends the rank's context.
type events struct {
	stop   int
	cancel context.CancelFunc
	told   []string
}

func (e *events) tell(what string) {
	if e.told = append(e.told, what); len(e.told) == e.stop {
		e.cancel()
	}
}

// listen has a job tell of every pass, step and validation.
func (e *events) listen(j *Job) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	clock := time.Unix(0, 0)
	j.Now = func() time.Time { // on which every pass takes so long that it is told
		clock = clock.Add(2 * longStep)
		return clock
	}
	j.Progress = func(p Progress) {
		if p.Pass.Of > 0 {
			e.tell(p.Pass.Phase)
		} else if p.Row.Kind == "train" {
			e.tell("step")
		}
	}
	j.Validate = func(ctx context.Context) (experiment.Row, error) {
		e.tell("validation")
		return experiment.Row{Loss: float64(10 - j.state.Step)}, ctx.Err()
	}
	if j.Config.KDLossWeight > 0 {
		j.Teacher = teach
	}
	return ctx
}

// A run that is told to stop after every pass of a step, after steps and in validations, by one of its processes, saves its last whole step each time, says
// which, and ends in the same bits and with the same rows as one that was left alone.
// fault 33
func TestStoppedAnywhereEndsInTheSameBits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      string
		processes int
	}{{"vit", 1}, {"rn", 1}, {"vit", 2}} {
		t.Run(fmt.Sprintf("%s by %d", c.kind, c.processes), func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			cfg := everything(c.kind, ranksModel(t, c.kind, 0.1), "whole")
			cfg.WorldSize, cfg.AccumFreq, cfg.MaxSteps, cfg.ValidStepInterval, cfg.SaveStepInterval, cfg.SaveMinutes = 2, 2, 5, 1, 0, 0
			data := e2eData(t)
			hit := map[string]int{}
			part := func(name string, told, stop int) (said []string, errs []error) {
				cfg.Name = name
				var models []*model.Model
				for range c.processes {
					models = append(models, ranksModel(t, c.kind, 0.1))
				}
				all := make([]events, c.processes)
				all[told].stop = stop
				errs = doJobsIn(t, root, cfg, models, data, func(rank int, j *Job) context.Context { return all[rank].listen(j) })
				if e := all[told]; stop > 0 && stop <= len(e.told) {
					hit[e.told[stop-1]]++
				}
				return all[told].told, errs
			}
			whole, errs := part("whole", 0, 0)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			newest := func(name string) string {
				path, err := checkpoint.Latest(filepath.Join(root, name, "checkpoints"), func(line string) { t.Error(line) })
				if err != nil {
					t.Fatal(err)
				}
				return path
			}
			// First in its first validation, and then in each part one event later.
			for stop, more := 1+slices.Index(whole, "validation"), 1; ; stop, more = more, more+1 {
				if more > 100 {
					t.Fatal("the run does not end")
				}
				_, errs := part("stopped", more%c.processes, stop)
				if errors.Join(errs...) == nil {
					break
				}
				for rank, err := range errs {
					if !errors.Is(err, ErrInterrupted) {
						t.Fatalf("event %d: process %d: %v", stop, rank, err)
					}
				}
				saved := fmt.Sprintf("after step %d of 5", stepOf(t, newest("stopped")))
				if !strings.Contains(errs[0].Error(), saved) {
					t.Errorf("%v, want %q", errs[0], saved)
				}
			}
			for _, phase := range []string{"features", "gradients", "step", "validation"} {
				if hit[phase] == 0 {
					t.Errorf("no stop hit %q: %v", phase, hit)
				}
			}
			if c.kind == "vit" && hit["teacher"] == 0 {
				t.Errorf("no stop hit the teacher: %v", hit)
			}
			if same, worst := sameBits(t, newest("whole"), newest("stopped")); !same {
				t.Errorf("ends in other bits, up to %.2g", worst)
			}
			rows := func(name string) (list []string) {
				all, err := experiment.ReadRows(filepath.Join(root, name))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range all {
					if r.Kind != "note" {
						list = append(list, fmt.Sprint(r.Kind, r.Step, r.Epoch, r.Samples, r.Loss))
					}
				}
				return list
			}
			if got, want := rows("stopped"), rows("whole"); !slices.Equal(got, want) {
				t.Errorf("rows %q, want %q", got, want)
			}
		})
	}
}

// slowDisk is a source whose pictures do not come before a context ends, from the n-th on.
type slowDisk struct {
	dataset.Source
	ctx  context.Context
	stop context.CancelFunc

	mu   sync.Mutex
	left int
}

func (s *slowDisk) Image(id int64) ([]byte, error) {
	s.mu.Lock()
	s.left--
	hangs := s.left < 0
	s.mu.Unlock()
	if hangs {
		s.stop()
		<-s.ctx.Done()
		return nil, s.ctx.Err()
	}
	return s.Source.Image(id)
}

// A run that is told to stop while it waits for pictures saves its last whole step.
func TestStoppedWhileLoading(t *testing.T) {
	t.Parallel()
	root, data := t.TempDir(), e2eData(t)
	m := ranksModel(t, "vit", 0)
	c := e2eConfig(m, "run")
	c.MaxSteps, c.Workers = 4, 1
	run, err := experiment.Open(root, c.Name, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stepped := make(chan struct{})
	first := sync.OnceFunc(func() { close(stepped) })
	disk := &slowDisk{Source: data.Train, ctx: ctx, left: 10} // the third batch of four stays away
	disk.stop = func() { <-stepped; cancel() }
	job := Job{Model: m, Train: disk, Config: c, Run: run, Progress: func(p Progress) {
		if p.Row.Step > 0 {
			first()
		}
	}}
	if err := job.Do(ctx); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	path, err := checkpoint.Latest(run.Checkpoints(), func(line string) { t.Error(line) })
	if err != nil || stepOf(t, path) > 2 || stepOf(t, path) != job.state.Step {
		t.Errorf("saved %s (%v) after step %d", path, err, job.state.Step)
	}
}

// The end of a run's time by the clock is a checkpoint beside those that were asked for, and the next one takes its place. A run that fails after it goes on
// from there.
func TestSavedByTime(t *testing.T) {
	t.Parallel()
	root, data := t.TempDir(), e2eData(t)
	cfg := e2eConfig(ranksModel(t, "vit", 0), "run")
	cfg.BatchSize, cfg.WorldSize, cfg.MaxSteps, cfg.SaveEpochInterval, cfg.SaveStepInterval, cfg.KeepCheckpoints, cfg.SaveMinutes = 2, 2, 10, 0, 5, 2, 30
	broken := errors.New("broken")
	var there []string // before each step's own save
	train := func(failAt int) (said []string, errs []error) {
		models := []*model.Model{ranksModel(t, "vit", 0), ranksModel(t, "vit", 0)}
		errs = doJobs(t, root, cfg, models, data, func(rank int, j *Job) {
			clock := time.Unix(0, 0)
			j.Now = func() time.Time { // clocks that differ
				clock = clock.Add(time.Millisecond)
				return clock.Add(time.Duration(rank) * time.Hour)
			}
			j.Validate = func(context.Context) (row experiment.Row, err error) {
				if j.state.Step == failAt {
					err = broken
				}
				return row, err
			}
			j.Progress = func(p Progress) {
				if p.Row.Kind != "train" {
					return
				}
				clock = clock.Add(12 * time.Minute)
				if rank > 0 {
					return
				}
				paths, err := checkpoint.List(filepath.Join(root, cfg.Name, "checkpoints"))
				if err != nil {
					t.Error(err)
				}
				var steps []int
				for _, path := range paths {
					steps = append(steps, stepOf(t, path))
				}
				there = append(there, fmt.Sprint(p.Row.Step, steps))
			}
			if rank == 0 {
				j.Say = func(line string) { said = append(said, line) }
			}
		})
		return said, errs
	}
	cfg.ValidStepInterval, cfg.ValidEpochInterval = 4, 0
	if _, errs := train(4); !errors.Is(errs[0], broken) {
		t.Fatal(errs)
	}
	said, errs := train(0)
	if err := errors.Join(errs...); err != nil || !strings.Contains(strings.Join(said, "\n"), "after step 3 of 10") {
		t.Fatalf("%v, said %q", err, said)
	}
	// Steps 3, 8 by the clock, which begins anew with every checkpoint; 5 and 10 as asked for.
	want := []string{"1 []", "2 []", "3 []", "4 [3]", "4 [3]", "5 [3]", "6 [5]", "7 [5]", "8 [5]", "9 [5 8]", "10 [5 8]"}
	if !slices.Equal(there, want) {
		t.Errorf("%q, want %q", there, want)
	}
	paths, err := checkpoint.List(filepath.Join(root, cfg.Name, "checkpoints"))
	if err != nil || len(paths) != 2 || stepOf(t, paths[0]) != 5 || stepOf(t, paths[1]) != 10 {
		t.Errorf("in the end there are %v (%v)", paths, err)
	}
}

// What is left is told by the steps of this process alone, without its first.
func TestRemaining(t *testing.T) {
	root, data, m := t.TempDir(), e2eData(t), ranksModel(t, "vit", 0)
	c := e2eConfig(m, "run")
	c.MaxSteps = 8
	var told []time.Duration
	for _, stopAt := range []int{4, 0} {
		run, err := experiment.Open(root, c.Name, c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		job := Job{Model: m, Train: data.Train, Config: c, Run: run}
		clock := time.Unix(0, 0)
		job.Now = func() time.Time { // asked where a step begins, has its pictures and ends
			clock = clock.Add(time.Second)
			return clock
		}
		job.Progress = func(p Progress) {
			if p.Row.Kind == "train" {
				told = append(told, p.Remaining)
			}
			if p.Row.Step == stopAt {
				cancel()
			}
		}
		if err := job.Do(ctx); stopAt == 0 && err != nil || stopAt > 0 && !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		cancel()
		run.Close()
	}
	const step = 2 * time.Second
	if want := []time.Duration{0, 6 * step, 5 * step, 4 * step, 0, 2 * step, step, 0}; !slices.Equal(told, want) {
		t.Errorf("what is left after each step: %v, want %v", told, want)
	}
}

// The log has the reference's lines about epochs, validations and checkpoints, to the letter (cn_clip/training/main.py:294 and 331, train.py:314 and 336).
func TestLogLines(t *testing.T) {
	m, data := e2eModel(t), e2eData(t)
	c := e2eConfig(m, "first")
	c.MaxEpochs, c.Resume, c.ResetOptimizer, c.ResetDataOffset, c.SaveStepInterval = 2, golden.Path("e2e/init.pt"), true, true, 3
	dir, _, _ := doJob(t, t.TempDir(), m, data, c)
	logs, err := filepath.Glob(filepath.Join(dir, "out_*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	text, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	took := regexp.MustCompile(`writing took [0-9.]+ seconds`)
	var got []string
	for line := range strings.Lines(string(text)) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), "Rank 0 | ")
		for _, of := range []string{"Start epoch", "Begin to eval", "Saved checkpoint", "Validation Result"} {
			if strings.HasPrefix(line, of) {
				line, _, _ = strings.Cut(strings.ReplaceAll(line, filepath.Join(dir, "checkpoints"), "…"), " | ")
				got = append(got, took.ReplaceAllString(line, "writing took 0.1 seconds"))
			}
		}
	}
	if want := []string{
		"Start epoch 1",
		"Saved checkpoint …/step-00000003 (epoch 1 @ 3 steps) (writing took 0.1 seconds)",
		"Begin to eval on validation set (epoch 1 @ 4 steps)...",
		"Validation Result (epoch 1 @ 4 steps)",
		"Saved checkpoint …/step-00000004 (epoch 1 @ 4 steps) (writing took 0.1 seconds)",
		"Start epoch 2",
		"Saved checkpoint …/step-00000006 (epoch 2 @ 6 steps) (writing took 0.1 seconds)",
		"Begin to eval on validation set (epoch 2 @ 8 steps)...",
		"Validation Result (epoch 2 @ 8 steps)",
		"Saved checkpoint …/step-00000008 (epoch 2 @ 8 steps) (writing took 0.1 seconds)",
	}; !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
