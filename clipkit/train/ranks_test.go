package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
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

// Processes that were started with something else are refused by all of them, in one line that names the process and what differs.
func TestProcessesThatDoNotBelongTogether(t *testing.T) {
	t.Parallel()
	data, other := e2eData(t), e2eData(t)
	other.Train = fewerPairs{other.Train}
	for what, c := range map[string]struct {
		change func(j *Job)
		want   string
	}{
		"settings":  {func(j *Job) { j.Config.BatchSize = 3 }, "rank 1: train: bad setting: its batch_size is 3, and that of rank 0 2"},
		"no data":   {func(j *Job) { j.Train = nil }, "rank 1: train: bad setting: there is no data"},
		"data":      {func(j *Job) { j.Train = other.Train }, "rank 1: train: bad setting: its data set is "},
		"weights":   {func(j *Job) { _ = j.Model.Set("logit_scale", nil, []float32{1}) }, "rank 1: train: bad setting: its model has other weights"},
		"teacher":   {func(j *Job) { j.Teacher = teach }, "rank 1: train: bad setting: its Job has a validation"},
		"processes": {func(j *Job) {}, "2 processes cannot share the 3 micro-batches of a step (world_size 3 × accum_freq 1)"},
	} {
		t.Run(what, func(t *testing.T) {
			models := []*model.Model{ranksModel(t, "vit", 0), ranksModel(t, "vit", 0)}
			cfg := e2eConfig(models[0], "run")
			cfg.BatchSize, cfg.MaxSteps, cfg.WorldSize = 2, 2, 2
			if what == "processes" {
				cfg.WorldSize = 3
			}
			errs := doJobs(t, t.TempDir(), cfg, models, data, func(rank int, j *Job) {
				if rank == 1 {
					c.change(j)
				}
			})
			for rank, err := range errs {
				if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("process %d: %v, want %q", rank, err, c.want)
				}
			}
			if errs[0] == nil || errs[1] == nil || strings.TrimPrefix(errs[1].Error(), "rank 0: ") != errs[0].Error() {
				t.Errorf("%v\nand %v", errs[0], errs[1])
			}
		})
	}
}

type fewerPairs struct{ dataset.Source }

func (f fewerPairs) Texts() []dataset.Text { return f.Source.Texts()[1:] }

// What one process meets all hear of: a loss that is no number ends all with the same error, a failure ends the others, and the budget of bad pairs is
// one for all.
func TestOneProcessEndsAll(t *testing.T) {
	t.Parallel()
	data := e2eData(t)
	start := func(t *testing.T, change func(rank int, j *Job)) []error {
		models := []*model.Model{ranksModel(t, "vit", 0), ranksModel(t, "vit", 0)}
		cfg := e2eConfig(models[0], "run")
		cfg.BatchSize, cfg.MaxSteps, cfg.WorldSize, cfg.SkipBudget = 2, 6, 2, 1
		cfg.SkipAggregate = true // so that the loss of one does not reach the other by itself
		return doJobs(t, t.TempDir(), cfg, models, data, change)
	}
	t.Run("divergence", func(t *testing.T) {
		errs := start(t, func(rank int, j *Job) {
			j.Progress = func(p Progress) {
				if rank == 1 && p.Row.Step == 2 {
					_ = j.Model.Set("text_projection", []int{j.Model.Config.TextWidth, j.Model.Config.EmbedDim}, slices.Repeat([]float32{float32(math.NaN())}, j.Model.Config.TextWidth*j.Model.Config.EmbedDim))
				}
			}
		})
		for rank, err := range errs {
			if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "step 3") {
				t.Errorf("process %d: %v", rank, err)
			}
		}
	})
	t.Run("failure", func(t *testing.T) {
		errs := start(t, func(rank int, j *Job) {
			j.Validate = func(context.Context) (row experiment.Row, err error) {
				if rank == 1 {
					err = errors.New("no space left")
				}
				return row, err
			}
		})
		if errs[1] == nil || !strings.Contains(errs[1].Error(), "no space left") || errs[0] == nil || !strings.Contains(errs[0].Error(), "rank 1") || !strings.Contains(errs[0].Error(), "no space left") {
			t.Error(errs)
		}
		for rank, err := range errs { // and once: nobody heard it by the end of a call
			if err == nil || strings.Count(err.Error(), "rank 1") != 1 || !strings.Contains(err.Error(), "rank 1: validation at step") {
				t.Errorf("process %d: %v", rank, err)
			}
		}
	})
	t.Run("bad pairs", func(t *testing.T) {
		// The pairs of the first step: each process meets one bad picture, and together they are over the budget.
		order := func(rank int) int { return dataset.Order(123, 0, len(dataset.Pairs(data.Train)), 2, 2, rank)[0] }
		pairs := dataset.Pairs(data.Train)
		bad := map[int64]bool{pairs[order(0)].ImageID: true, pairs[order(1)].ImageID: true}
		if len(bad) < 2 {
			t.Fatal("both processes begin with the same picture")
		}
		errs := start(t, func(_ int, j *Job) { j.Train = unreadable{j.Train, bad} })
		for rank, err := range errs {
			if err == nil || !strings.Contains(err.Error(), "with a budget of 1 for all processes") && !strings.Contains(err.Error(), "with a budget of 1") {
				t.Errorf("process %d: %v", rank, err)
			}
		}
	})
}

type unreadable struct {
	dataset.Source
	bad map[int64]bool
}

func (u unreadable) Image(id int64) ([]byte, error) {
	if u.bad[id] {
		return nil, errors.New("unreadable")
	}
	return u.Source.Image(id)
}

// What rank 0 reads of a checkpoint reaches all: additions of LoRA with their bases, the siglip bias, moments.
func TestResumedProcessesGetEverything(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(c *Config){
		"lora":   func(c *Config) { c.LoRARank, c.LoRAAlpha = 2, 4 },
		"siglip": func(c *Config) { c.Loss, c.SigLIPBias = "siglip", -10 },
	} {
		t.Run(what, func(t *testing.T) {
			root := t.TempDir()
			cfg := everything("vit", ranksModel(t, "vit", 0.1), "whole")
			cfg.WorldSize, cfg.GatherWithGrad = 2, true
			change(&cfg)
			whole := runRanks(t, root, cfg, "vit", 2, nil)
			cfg.Name = "stopped"
			stopAfter(t, root, cfg, "vit", 2, 2, false)
			if same, worst := sameBits(t, whole, runRanks(t, root, cfg, "vit", 2, nil)); !same {
				t.Errorf("the stopped run ends in other bits, up to %.2g", worst)
			}
		})
	}
}

// A checkpoint from the middle of an epoch whose order was another, as that of an earlier version with accum_freq, is continued, and the run says what that
// does to the epoch.
func TestOtherOrderIsSaid(t *testing.T) {
	t.Parallel()
	root, data := t.TempDir(), e2eData(t)
	pairs := len(dataset.Pairs(data.Train))
	cfg := e2eConfig(ranksModel(t, "vit", 0), "run")
	cfg.BatchSize, cfg.AccumFreq, cfg.MaxSteps = 2, 3, 1
	if places := (pairs + 1) / 2 * 2; places%6 == 0 {
		t.Fatalf("%d pairs have the same order with and without accumulation", pairs)
	}
	doJob(t, root, ranksModel(t, "vit", 0), &dataset.Dataset{Train: data.Train}, cfg)
	state := filepath.Join(root, "run", "checkpoints", "step-00000001", "state.json")
	b, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	places := fmt.Sprintf("\"epoch_pairs\": %d", (pairs+1)/2*2)
	if !strings.Contains(string(b), places) {
		t.Fatalf("no %s in %s", places, b)
	}
	cfg.MaxSteps, cfg.Name = 2, "again"
	resumed := func() (said []string) {
		cfg.Resume = filepath.Dir(state)
		_, _, said = doJob(t, t.TempDir(), ranksModel(t, "vit", 0), &dataset.Dataset{Train: data.Train}, cfg)
		return said
	}
	const line = "read in another order than its beginning"
	if said := strings.Join(resumed(), "\n"); strings.Contains(said, line) {
		t.Errorf("said %q of the same order", said)
	}
	old := strings.Replace(string(b), ",\n  "+places, "", 1)
	if err := os.WriteFile(state, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(filepath.Dir(state), "manifest.json")
	m, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var sums map[string]map[string]any
	if err := json.Unmarshal(m, &sums); err != nil {
		t.Fatal(err)
	}
	sums["state.json"] = map[string]any{"bytes": len(old), "sha256": fmt.Sprintf("%x", sha256.Sum256([]byte(old)))}
	if m, err = json.Marshal(sums); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, m, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(resumed(), "\n"); !strings.Contains(said, line) {
		t.Errorf("said only %q", said)
	}
}
