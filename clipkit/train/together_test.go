package train

import (
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

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
)

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
