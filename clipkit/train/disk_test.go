package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights"
)

// savingJob is a run of six steps that saves every second, and what it says.
func savingJob(t *testing.T, root string, change func(*Config)) (*Job, *[]string) {
	t.Helper()
	m, data := e2eModel(t), e2eData(t)
	if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
		t.Fatal(err)
	}
	c := e2eConfig(m, "run")
	c.MaxSteps, c.SaveStepInterval, c.SaveEpochInterval, c.SaveMinutes = 6, 2, 0, 0
	change(&c)
	run, err := experiment.Open(root, "run", c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.Close)
	said := new([]string)
	return &Job{Model: m, Train: data.Train, Config: c, Run: run, Say: func(line string) { *said = append(*said, line) }}, said
}

// steps of the checkpoints that are there.
func steps(t *testing.T, dir string) (list string) {
	t.Helper()
	paths, err := checkpoint.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if err := checkpoint.Verify(p); err != nil {
			t.Error(err)
		}
		list += strings.TrimLeft(strings.TrimPrefix(filepath.Base(p), "step-"), "0") + " "
	}
	return strings.TrimSpace(list)
}

// A save that fails is said with the checkpoint's path, and training goes on to the next, or stops where that is asked for; the end of a run whose last
// save fails is an error, and no finished step that was saved is lost.
// fault 26
func TestFullDiskDuringASave(t *testing.T) {
	clean, _ := savingJob(t, t.TempDir(), func(*Config) {})
	if err := clean.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	want, _, _, _ := final(t, clean.Run.Dir, 6)
	for _, c := range []struct {
		name   string
		full   string // of the checkpoints, which the disk does not take
		change func(*Config)
		err    string
		left   string
		said   string
	}{
		{"goes on", "4", func(*Config) {}, "", "2 6", "STEP 4 IS NOT SAVED"},
		{"stops", "4", func(c *Config) { c.OnFailedSave = "stop" }, "step-00000004", "2", ""},
		{"at the end", "6", func(*Config) {}, "step-00000006", "4", "step-00000002 to make room"},
		{"two in a row", "2 4", func(*Config) {}, "", "6", "there is no checkpoint before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			job, said := savingJob(t, t.TempDir(), c.change)
			step := 0
			job.Progress = func(p Progress) { step = p.Row.Step }
			defer atomicfile.Inject(func(op, path string) error {
				if op == "write" && strings.Contains(path, ".saving-") && strings.Contains(c.full, fmt.Sprint(step)) {
					return syscall.ENOSPC
				}
				return nil
			})()
			err := job.Do(context.Background())
			if c.err == "" && err != nil || c.err != "" && (err == nil || !checkpoint.IsFull(err) || !strings.Contains(err.Error(), filepath.Join(job.Run.Checkpoints(), c.err))) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if got := steps(t, job.Run.Checkpoints()); got != c.left {
				t.Errorf("steps %s are left, want %s", got, c.left)
			}
			if all := strings.Join(*said, "\n"); !strings.Contains(all, c.said) || c.said != "" && !strings.Contains(all, job.Run.Checkpoints()) {
				t.Errorf("said %s", all)
			}
			if c.err == "" {
				if got, _, _, _ := final(t, job.Run.Dir, 6); string(got) != string(want) {
					t.Error("the run ends elsewhere than one that could save")
				}
			}
		})
	}
}

// Where several checkpoints are kept, the oldest makes room on a full disk; the newest whole one never does, nor one of several that are all wanted.
func TestFullDiskRemovesTheOldest(t *testing.T) {
	for _, c := range []struct {
		keep, room int
		left       string
		fails      bool
	}{
		{3, 2, "4 6", false},
		{3, 1, "2", true},
		{1, 1, "2", true},
		{0, 2, "2 4", true},
	} {
		job, said := savingJob(t, t.TempDir(), func(cfg *Config) { cfg.KeepCheckpoints = c.keep })
		end := atomicfile.Inject(func(op, path string) error {
			paths, err := checkpoint.List(job.Run.Checkpoints())
			if op == "write" && strings.Contains(path, ".saving-") && err == nil && len(paths) >= c.room {
				return syscall.EDQUOT
			}
			return nil
		})
		err := job.Do(context.Background())
		end()
		if (err != nil) != c.fails {
			t.Errorf("%+v: %v", c, err)
		}
		if got := steps(t, job.Run.Checkpoints()); got != c.left {
			t.Errorf("%+v: steps %s are left", c, got)
		}
		if removed := strings.Contains(strings.Join(*said, "\n"), "step-00000002 to make room for the checkpoint of step 6"); removed == c.fails {
			t.Errorf("%+v: said %q", c, *said)
		}
	}
}

// A best checkpoint that cannot be written leaves the one before as the best.
func TestFullDiskDuringTheBest(t *testing.T) {
	job, said := savingJob(t, t.TempDir(), func(c *Config) { c.BestMetric, c.ValidStepInterval = "text_to_image_r1", 2 })
	step := 0
	job.Progress = func(p Progress) { step = p.Row.Step }
	job.Validate = func(context.Context) (experiment.Row, error) {
		return experiment.Row{TextToImage: &experiment.Recall{R1: float64(step)}}, nil
	}
	defer atomicfile.Inject(func(op, path string) error {
		if op == "write" && strings.Contains(path, filepath.Join("best", ".saving-")) && step == 4 {
			return syscall.ENOSPC
		}
		return nil
	})()
	saw := ""
	job.Progress = func(p Progress) {
		if step = p.Row.Step; step == 5 {
			saw = steps(t, filepath.Join(job.Run.Checkpoints(), "best")) + fmt.Sprint(" ", job.state.Best.Value)
		}
	}
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if saw != "2 2" || steps(t, filepath.Join(job.Run.Checkpoints(), "best")) != "6" || job.state.Best.Value != 6 {
		t.Errorf("the best was %q after step 4 and is of value %v", saw, job.state.Best.Value)
	}
	if !strings.Contains(strings.Join(*said, "\n"), "OF STEP 4 WITH text_to_image_r1 4.0000, IS NOT SAVED") {
		t.Errorf("said %q", *said)
	}
}

// What the checkpoints take is said before the first step, and refused where it does not fit, with the setting that would.
func TestCheckpointsThatDoNotFitAreRefused(t *testing.T) {
	size := func() int64 {
		job, said := savingJob(t, t.TempDir(), func(*Config) {})
		job.Disk = 100e6
		if err := job.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(*said, "\n"); !strings.Contains(all, "at most 3 are kept") || !strings.Contains(all, "free in "+job.Run.Dir) {
			t.Errorf("said %q", all)
		}
		parts, err := job.parts()
		if err != nil {
			t.Fatal(err)
		}
		return parts.Bytes()
	}()
	for _, c := range []struct {
		keep   int
		best   string
		byTime float64 // minutes
		room   float64 // checkpoints
		want   string
		advice bool
	}{
		{3, "", 0, 4.1, "", false},
		{3, "", 0, 3.9, "at most 3 are kept", true},
		{3, "", 0, 1.9, "at most 3 are kept", false},
		{1, "", 0, 2.1, "", false},
		{1, "", 0, 1.9, "at most 1 are kept", false},
		{0, "", 0, 3.1, "", false}, // three at intervals, of which the last is one
		{0, "", 0, 2.9, "are kept", true},
		{1, "loss", 0, 3.9, "the best one", false},
		{1, "loss", 0, 4.1, "", false},
		{3, "", 30, 4.9, "at most 4 are kept", true}, // that by time is beside them
		{3, "", 30, 5.1, "", false},
	} {
		job, _ := savingJob(t, t.TempDir(), func(cfg *Config) { cfg.KeepCheckpoints, cfg.BestMetric, cfg.SaveMinutes = c.keep, c.best, c.byTime })
		job.Validate = func(context.Context) (experiment.Row, error) { return experiment.Row{Loss: 1}, nil }
		job.Disk = int64(c.room * float64(size))
		err := job.Do(context.Background())
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrDisk) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && strings.Contains(err.Error(), "--keep-checkpoints 1") != c.advice {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
