package train

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
)

// oneBlock is a model of one block each, for the end-to-end data, on a device.
func oneBlock(t *testing.T, engine string) *model.Model {
	t.Helper()
	cfg := golden.Config(t, "e2e")
	cfg.Name, cfg.VisionLayers = "one-block", []int{1}
	m := modeltest.New(t, engine, cfg)
	if err := m.Init(1); err != nil {
		t.Fatal(err)
	}
	return m
}

// A run over several devices goes on on one from its checkpoint, and one on one device over several, to the results of a run that stayed on one.
func TestManyDevicesAndOneContinueEachOther(t *testing.T) {
	t.Parallel()
	root, data := t.TempDir(), e2eData(t)
	run := func(name, engine string, stopAt int) (rows []experiment.Row) {
		m := oneBlock(t, engine)
		c := e2eConfig(m, name)
		c.BatchSize, c.WorldSize, c.MaxSteps, c.ValidStepInterval, c.ShardMoments = 2, 2, 4, 2, true
		r, err := experiment.Open(root, name, c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		job := Job{Model: m, Train: data.Train, Config: c, Run: r, Validate: inBatch(m, data.Valid, c)}
		job.Progress = func(p Progress) {
			if p.Row.Step == stopAt && p.Row.Kind == "valid" {
				cancel()
			}
		}
		if err := job.Do(ctx); stopAt == 0 && err != nil || stopAt > 0 && !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%s on %s: %v", name, engine, err)
		}
		if rows, err = experiment.ReadRows(r.Dir); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	want := run("one", "cpu:go", 0)
	for name, engines := range map[string][2]string{"to one": {"cpu:0-1", "cpu:go"}, "to many": {"cpu:go", "cpu:0-1"}} {
		run(name, engines[0], 2)
		var got []experiment.Row
		for _, row := range run(name, engines[1], 0) {
			if row.Kind != "note" {
				got = append(got, row)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d rows, want %d", name, len(got), len(want))
		}
		for i, w := range want {
			if g := got[i]; g.Step != w.Step || g.Kind != w.Kind || g.Samples != w.Samples || math.Abs(g.Loss-w.Loss) > 1e-4*w.Loss || g.ImageToTextAcc != w.ImageToTextAcc {
				t.Errorf("%s, row %d: %+v, on one device %+v", name, i, g, w)
			}
		}
	}
}

func TestManyDevicesAreRefusedWithAReason(t *testing.T) {
	m, data := oneBlock(t, "cpu:0-3"), e2eData(t)
	try := func(job Job, change func(*Config), want string) {
		t.Helper()
		job.Config = e2eConfig(m, "refused")
		change(&job.Config)
		job.Model, job.Train = m, data.Train
		if err := job.Do(context.Background()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	try(Job{}, func(c *Config) { c.BatchSize = 6 }, "batch_size 6 of 1 ranks makes 6 pairs, which do not divide over the 4 devices of cpu:0-3 (xla)")
	try(Job{}, func(c *Config) { c.WorldSize, c.SkipAggregate = 2, true }, "skip_aggregate is true")
	try(Job{Memory: 1 << 20}, func(*Config) {}, "not enough memory")

	worlds, errs := exchangetest.Threads(2), make(chan error, 2)
	for _, w := range worlds {
		go func() {
			c := e2eConfig(m, "refused")
			c.WorldSize = 2
			errs <- (&Job{Model: m, Train: data.Train, Config: c, World: w}).Do(context.Background())
		}()
	}
	for range worlds {
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "2 processes share the run, and each would drive the devices of cpu:0-3 (xla): give each process one") {
			t.Errorf("two processes with four devices each: %v", err)
		}
	}
}

// Every device has its own parameters and gradients; of the moments each has a part where they are sharded.
func TestMemoryOfManyDevices(t *testing.T) {
	m := oneBlock(t, "cpu:0-3")
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		t.Fatal(err)
	}
	job := Job{Model: &model.Model{Config: cfg, Device: m.Device}}
	c := Default(cfg)
	c.BatchSize = 8
	all := job.needs(c)
	c.ShardMoments = true
	sharded := job.needs(c)
	trained := 4 * int64(cfg.NumParams())
	if saved := all - sharded; math.Abs(float64(saved-6*trained)) > 1e6 {
		t.Errorf("sharding the moments over 4 devices saves %d bytes, want 6 × %d", saved, trained)
	}
	if more := all - EstimateMemory(cfg, c); math.Abs(float64(more-3*4*trained)) > 1e6 {
		t.Errorf("4 devices take %d bytes more than one, want 12 × %d", more, trained)
	}
}
