package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/weights"
)

// pairwise is a world whose sums are those of a tree, as an MPI library makes them: two processes with two micro-batches each then add in the same
// order as four with one.
type pairwise struct{ exchange.World }

func (p pairwise) Sum(x []float32) error {
	all, err := exchange.Gather(p.World, x)
	if err != nil {
		return err
	}
	parts := slices.Collect(slices.Chunk(all, len(x)))
	for len(parts) > 1 {
		for i := range parts[:len(parts)/2] {
			for k, v := range parts[2*i+1] {
				parts[2*i][k] += v
			}
			parts[i] = parts[2*i]
		}
		parts = parts[:len(parts)/2]
	}
	copy(x, parts[0])
	return nil
}

// ranksModel is a tiny model with first weights.
func ranksModel(t *testing.T, kind string, dropout float64) *model.Model {
	t.Helper()
	if kind == "rn" {
		return modeltest.Tiny(t, "cpu:go", "rn")
	}
	m := modeltest.Tiny(t, "cpu:go", "e2e")
	m.Config.TextDropout = dropout
	return m
}

// everything is a run with all that a step can have, and one that a ResNet can.
func everything(kind string, m *model.Model, name string) Config {
	c := e2eConfig(m, name)
	c.BatchSize, c.MaxSteps, c.Augment, c.SaveStepInterval, c.KeepCheckpoints = 2, 4, "reference", 1, 0
	if kind == "vit" {
		c.MaskRatio, c.MultiPositive, c.KDLossWeight = 0.3, true, 0.5
	}
	return c
}

// teach gives features that are a picture's own.
func teach(_ context.Context, pixels []float32, n int) (out []float32, err error) {
	for picture := range slices.Chunk(pixels, len(pixels)/n) {
		sum := float32(0)
		for _, v := range picture {
			sum += v
		}
		out = append(out, sum, 1, -sum/2)
	}
	return out, nil
}

// runRanks trains with n processes and gives the last checkpoint's files.
func runRanks(t *testing.T, root string, c Config, kind string, n int, world func(exchange.World) exchange.World) (path string) {
	t.Helper()
	var models []*model.Model
	for range n {
		models = append(models, ranksModel(t, kind, 0.1))
	}
	for rank, err := range doJobs(t, root, c, models, e2eData(t), func(_ int, j *Job) {
		if c.KDLossWeight > 0 {
			j.Teacher = teach
		}
		if world != nil {
			j.World = world(j.World)
		}
	}) {
		if err != nil {
			t.Fatalf("process %d of %d: %v", rank, n, err)
		}
	}
	for rank, m := range models[1:] {
		if !slices.Equal(modeltest.AllValues(t, m), modeltest.AllValues(t, models[0])) {
			t.Errorf("process %d of %d ended in other bits than process 0", rank+1, n)
		}
	}
	path, err := checkpoint.Latest(filepath.Join(root, c.Name, "checkpoints"), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sameBits compares model and optimizer of two checkpoints, and gives the largest difference of a weight relative to the largest of its tensor.
func sameBits(t *testing.T, a, b string) (same bool, worst float64) {
	t.Helper()
	same = true
	for _, name := range []string{"model.safetensors", "optimizer.safetensors", "state.json"} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		same = same && bytes.Equal(x, y)
	}
	f, err := weights.Open(filepath.Join(a, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := weights.Open(filepath.Join(b, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, name := range f.Names() {
		if strings.HasSuffix(name, "key.bias") || strings.HasSuffix(name, "k_proj.bias") || strings.HasSuffix(name, "in_proj_bias") {
			continue // attention's key biases are moved by rounding alone
		}
		_, rel := golden.Difference(golden.Values(t, f, name), golden.Values(t, g, name))
		worst = max(worst, rel)
	}
	return same, worst
}

// noiseOfSums is how far weights and statistics may be apart after a few steps whose sums had another order, relative to the largest of a tensor: AdamW moves
// weights whose gradient is almost zero by a share of the learning rate. A ResNet at its beginning makes much of little: moving its first weights by
// 5e-7 of themselves moves the reference's own losses, in float64, by 1.6e-3.
var noiseOfSums = map[string]float64{"vit": 1e-4, "rn": 1e-2}

// What is computed does not depend on where: two processes end in the same bits as one that takes their micro-batches in turns, four in those of two
// with two each, where the sums have the same order, and within the noise of float32 of one.
func TestProcessesAreTurns(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"vit", "rn"} {
		for _, c := range []struct {
			what                string
			ranks, accum, steps int
			skip, gather        bool
		}{{"accumulated", 1, 2, 2, false, false}, {"ranks", 4, 1, 2, false, false}, {"ranks, accumulated", 2, 2, 2, false, true}, {"skip_aggregate", 2, 2, 2, true, false}} {
			if kind == "rn" && c.gather {
				continue
			}
			t.Run(kind+" "+c.what, func(t *testing.T) {
				t.Parallel()
				root, micro := t.TempDir(), c.ranks*c.accum
				run := func(n int, pair bool) string {
					cfg := everything(kind, ranksModel(t, kind, 0.1), fmt.Sprint(n, pair))
					cfg.WorldSize, cfg.AccumFreq, cfg.SkipAggregate, cfg.GatherWithGrad, cfg.MaxSteps = c.ranks, c.accum, c.skip, c.gather, c.steps
					return runRanks(t, root, cfg, kind, n, func(w exchange.World) exchange.World {
						if pair {
							return pairwise{w}
						}
						return w
					})
				}
				one, all := run(1, false), run(micro, false)
				if same, worst := sameBits(t, one, all); !same { // the goroutines' sum has the order of turns
					t.Errorf("%d processes end in other bits than one, up to %.2g", micro, worst)
				}
				if micro < 4 {
					return
				}
				four, two := run(4, true), run(2, true)
				if same, worst := sameBits(t, four, two); !same {
					t.Errorf("4 × 1 and 2 × 2 end in other bits, up to %.2g", worst)
				}
				_, worst := sameBits(t, one, four)
				if t.Logf("sums of another order: largest relative difference %.2g", worst); worst > noiseOfSums[kind] {
					t.Errorf("more than %v", noiseOfSums[kind])
				}
			})
		}
	}
}

// A run goes on with another number of processes: four, then two, then one, as one that was never stopped, within the noise of float32; and in the same
// bits with the order of sums of one.
func TestRunChangesItsProcesses(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"vit", "rn"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			cfg := everything(kind, ranksModel(t, kind, 0.1), "whole")
			cfg.WorldSize, cfg.MaxSteps = 4, 6
			whole := runRanks(t, root, cfg, kind, 1, nil)
			for _, pair := range []bool{false, true} {
				cfg.Name = fmt.Sprint("changing ", pair)
				var last string
				for _, part := range []struct{ processes, until int }{{4, 2}, {2, 4}, {1, 6}} {
					last = stopAfter(t, root, cfg, kind, part.processes, part.until, pair)
				}
				same, worst := sameBits(t, whole, last)
				t.Logf("pairwise sums %v: same bits %v, largest relative difference %.2g", pair, same, worst)
				if worst > noiseOfSums[kind] {
					t.Errorf("ends %.2g away, more than %v", worst, noiseOfSums[kind])
				}
				var seen []int64
				rows, err := experiment.ReadRows(filepath.Join(root, cfg.Name))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rows {
					if r.Kind == "train" {
						seen = append(seen, r.Samples)
					}
				}
				if !slices.Equal(seen, []int64{8, 16, 24, 32, 40, 48}) {
					t.Errorf("pairs seen after each step: %v", seen)
				}
			}
		})
	}
}

// stopAfter trains with n processes, and stops them after a step.
func stopAfter(t *testing.T, root string, c Config, kind string, n, step int, pair bool) (path string) {
	t.Helper()
	var models []*model.Model
	for range n {
		m := ranksModel(t, kind, 0.1)
		models = append(models, m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	errs := doJobsIn(t, root, c, models, e2eData(t), func(rank int, j *Job) context.Context {
		if c.KDLossWeight > 0 {
			j.Teacher = teach
		}
		if pair && n > 1 {
			j.World = pairwise{j.World}
		}
		if rank != n-1 { // one is told to stop, and all do
			return context.Background()
		}
		j.Progress = func(p Progress) {
			if p.Row.Step == step {
				cancel()
			}
		}
		return ctx
	})
	for rank, err := range errs {
		if step < c.MaxSteps && !errors.Is(err, ErrInterrupted) || step == c.MaxSteps && err != nil && !errors.Is(err, ErrInterrupted) {
			t.Fatalf("process %d of %d: %v", rank, n, err)
		}
	}
	path, err := checkpoint.Latest(filepath.Join(root, c.Name, "checkpoints"), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("step-%08d", step); filepath.Base(path) != want {
		t.Fatalf("stopped at %s, want %s", path, want)
	}
	return path
}
