// Package processes_test trains from one program with several processes, as a cell does: the copies of this test program are the ranks.
package processes_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/train"
)

func TestMain(m *testing.M) { limit.Main(m) }

var ctx = context.Background()

// inFreshRoot keeps a test's runs out of the repository.
func inFreshRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", root)
	return root
}

func load(t *testing.T, name string) *clipkit.Model {
	t.Helper()
	m, err := clipkit.Load(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func emoji(t *testing.T) *dataset.Dataset {
	t.Helper()
	data, err := clipkit.OpenDataset(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// quick are settings for a few steps.
func quick(t *testing.T, name string, steps int) train.Config {
	t.Helper()
	r, err := clipkit.Recipe("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	c := r.Config
	c.Name, c.MaxSteps, c.BatchSize = name, steps, 8
	return c
}

// Two processes train what one does that takes the two ranks in turns, the model has it afterwards, and a run goes on with another number of them.
func TestFinetuneWithProcesses(t *testing.T) {
	inFreshRoot(t)
	t.Setenv("CLIPKIT_DEVICE", "cpu:go")
	data, cfg := emoji(t), quick(t, "two", 2)

	two := load(t, "emoji")
	run, err := clipkit.Finetune(ctx, two, data, cfg, clipkit.Processes(2))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range run.Rows {
		kinds[r.Kind]++
	}
	if kinds["train"] != 2 || kinds["valid"] != 1 || run.Rows[1].Samples != 2*2*8 || run.Processes != 2 {
		t.Errorf("rows %+v", run.Rows)
	}
	var was train.Config
	if err := experiment.ReadConfig(run.Dir, &was); err != nil || was.WorldSize != 2 {
		t.Errorf("world_size %d, %v", was.WorldSize, err)
	}
	cfg.Name, cfg.WorldSize = "one", 2
	one, train := load(t, "emoji"), &dataset.Dataset{Name: data.Name, Train: data.Train}
	if _, err := clipkit.Finetune(ctx, one, train, cfg); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"text_projection", "visual.conv1.weight"} {
		_, want, err := one.Towers.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*clipkit.Model{two, load(t, "two")} {
			if _, got, err := m.Towers.Get(name); err != nil || !slices.Equal(got, want) {
				t.Errorf("two processes trained another %s than one in turns (%v)", name, err)
			}
		}
	}
	cfg.Name, cfg.WorldSize = "two", 0 // the run knows
	if _, err := clipkit.Finetune(ctx, load(t, "emoji"), data, cfg); err != nil {
		t.Errorf("with one process the run of two does not load: %v", err)
	}
}

// Whatever is wrong is one error, and the processes are gone.
func TestProcessesRefuse(t *testing.T) {
	root := inFreshRoot(t)
	t.Setenv("CLIPKIT_DEVICE", "cpu:go")
	data := emoji(t)
	for _, c := range []struct {
		says   string
		is     error
		n      int
		change func(m *clipkit.Model, d *dataset.Dataset, cfg *train.Config)
	}{
		{"Processes is -1, want 1 or more", train.ErrConfig, -1, nil},
		{"3 processes cannot share 2 batches", train.ErrConfig, 3, func(_ *clipkit.Model, _ *dataset.Dataset, cfg *train.Config) { cfg.WorldSize = 2 }},
		{"other processes cannot open", nil, 2, func(_ *clipkit.Model, d *dataset.Dataset, _ *train.Config) { d.Train = inMemory{d.Train} }},
		{"holds other weights", nil, 2, func(m *clipkit.Model, _ *dataset.Dataset, _ *train.Config) {
			if err := m.Towers.Set("logit_scale", nil, []float32{1}); err != nil {
				t.Fatal(err)
			}
		}},
		{"best_metric is", train.ErrConfig, 2, func(_ *clipkit.Model, d *dataset.Dataset, cfg *train.Config) { d.Valid, cfg.BestMetric = nil, "loss" }},
		{"no-such-file.pt", nil, 2, func(_ *clipkit.Model, _ *dataset.Dataset, cfg *train.Config) { cfg.Resume = "no-such-file.pt" }},
	} {
		m, d, cfg := load(t, "emoji"), *data, quick(t, "refused", 1)
		if c.change != nil {
			c.change(m, &d, &cfg)
		}
		_, err := clipkit.Finetune(ctx, m, &d, cfg, clipkit.Processes(c.n))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v, want one line with %q", err, c.says)
		}
		if err := os.RemoveAll(filepath.Join(root, "experiments", "refused")); err != nil {
			t.Fatal(err)
		}
	}
}

// inMemory is a source that no process can open.
type inMemory struct{ dataset.Source }

// A stopped cell saves. It has a teacher, and its model, which lies in no file, was saved for the processes.
func TestProcessesStop(t *testing.T) {
	root := inFreshRoot(t)
	t.Setenv("CLIPKIT_DEVICE", "cpu:go")
	data, cfg := emoji(t), quick(t, "stopped", 40)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for ctx.Err() == nil {
			if rows, err := experiment.ReadRows(filepath.Join(root, "experiments", "stopped")); err == nil && len(rows) > 2 {
				stop()
			}
		}
	}()
	m, err := clipkit.New(ctx, "emoji", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cfg.KDLossWeight = 0.5
	_, err = clipkit.Finetune(ctx, m, data, cfg, clipkit.Teacher(load(t, "emoji")), clipkit.Processes(2))
	if !errors.Is(err, train.ErrInterrupted) || !strings.Contains(err.Error(), "run it again to continue") {
		t.Fatal(err)
	}
	saved, err := filepath.Glob(filepath.Join(root, "experiments", "stopped", "checkpoints", "step-*"))
	if err != nil || len(saved) != 1 {
		t.Fatal(saved, err)
	}
}
