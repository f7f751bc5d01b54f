package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/experiment"
)

// inParts trains without dropout, whose draws follow the parts, by n processes until a step, and gives the newest checkpoint and the rows. The run is bound
// to the settings without their parts, as clipkit.Finetune binds it.
func inParts(t *testing.T, root string, c Config, n, until int) (path string, rows []experiment.Row) {
	t.Helper()
	identity := c
	identity.MicroBatch = 0
	run, err := experiment.Open(root, c.Name, identity, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	worlds, errs, data := exchangetest.Threads(n), make([]error, n), e2eData(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wait sync.WaitGroup
	for rank, w := range worlds {
		j := &Job{Model: ranksModel(t, "vit", 0), Train: data.Train, Config: c, World: w}
		if c.KDLossWeight > 0 {
			j.Teacher = teach
		}
		if rank == 0 {
			j.Run = run
			j.Progress = func(p Progress) {
				if p.Row.Step == until {
					stop()
				}
			}
		}
		wait.Go(func() { errs[rank] = j.Do(ctx) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil && (until == 0 || !errors.Is(err, ErrInterrupted)) {
		t.Fatal(err)
	}
	path, err = checkpoint.Latest(filepath.Join(root, c.Name, "checkpoints"), func(line string) { t.Error(line) })
	if err == nil {
		rows, err = experiment.ReadRows(filepath.Join(root, c.Name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, rows
}

// A batch in parts is the batch: the same pairs in the same number of steps, and losses and weights within what float32 makes of another order of sums, by
// one process and by several. 15 pairs make four batches of 4, the last of which is filled up; with accum_freq the reference would have another number of
// steps in another order, and another gradient of logit_scale.
func TestPartsKeepTheStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what                   string
		ranks, accum, n, micro int
		change                 func(*Config)
	}{
		{"plain", 1, 1, 1, 1, func(c *Config) { c.MaskRatio = 0 }},
		{"masks", 1, 1, 1, 2, nil},
		{"accumulated", 1, 2, 1, 2, nil},
		{"accumulated, two processes", 1, 2, 2, 2, nil},
		{"ranks", 2, 1, 1, 2, nil},
		{"gather_with_grad", 2, 1, 2, 1, func(c *Config) { c.GatherWithGrad = true }},
		{"skip_aggregate, accumulated", 2, 2, 1, 2, func(c *Config) { c.SkipAggregate = true }},
		{"siglip", 1, 1, 1, 2, func(c *Config) { c.Loss, c.KDLossWeight, c.MultiPositive = "siglip", 0, false }},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			run := func(micro, n int) (path string, rows []experiment.Row) {
				cfg := everything("vit", ranksModel(t, "vit", 0), fmt.Sprint("parts", micro))
				cfg.BatchSize, cfg.WorldSize, cfg.AccumFreq, cfg.MaxSteps, cfg.MaxEpochs = 4, c.ranks, c.accum, 0, 2
				if c.change != nil {
					c.change(&cfg)
				}
				cfg.MicroBatch = micro
				return inParts(t, root, cfg, n, 0)
			}
			whole, want := run(0, 1)
			parts, got := run(c.micro, c.n)
			if len(got) != len(want) || len(want) == 0 {
				t.Fatalf("%d rows, want %d", len(got), len(want))
			}
			for i, w := range want {
				g := got[i]
				if g.Step != w.Step || g.Epoch != w.Epoch || g.Samples != w.Samples || apart(g.Loss, w.Loss) > 1e-4 || apart(g.LogitScale, w.LogitScale) > 1e-6 {
					t.Errorf("%+v\nwant %+v", g, w)
				}
			}
			if _, worst := sameBits(t, whole, parts); worst > noiseOfSums["vit"] {
				t.Errorf("weights differ by up to %.2g of the largest", worst)
			}
		})
	}
}

func apart(x, y float64) float64 { return max(x-y, y-x) / max(1e-9, x, -x) }

// A run that stopped goes on in other parts, at its next step.
func TestPartsChangeInARun(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	c := everything("vit", ranksModel(t, "vit", 0), "changed")
	c.BatchSize, c.MaxSteps, c.MicroBatch = 4, 4, 2
	inParts(t, root, c, 1, 2)
	c.MicroBatch = 1
	path, rows := inParts(t, root, c, 1, 0)
	c.Name, c.MicroBatch = "whole", 0
	whole, want := inParts(t, root, c, 1, 0)
	if len(rows) < len(want) || rows[len(rows)-1].Step != 4 {
		t.Errorf("%d rows to step %d, want %d", len(rows), rows[len(rows)-1].Step, len(want))
	}
	if _, worst := sameBits(t, path, whole); worst > noiseOfSums["vit"] {
		t.Errorf("weights differ by up to %.2g of the largest", worst)
	}
}
