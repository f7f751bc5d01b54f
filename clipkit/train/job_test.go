package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
)

// small is a run of nine steps over part of the embedded set, with augmentation: everything random is in play.
func small(t *testing.T, root, name string, m *model.Model, change func(*Config)) (*Job, *experiment.Run) {
	t.Helper()
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default(m.Config)
	cfg.Name, cfg.BatchSize, cfg.MaxSteps, cfg.Warmup, cfg.LogInterval, cfg.Augment = name, 100, 9, 2, 1, "reference"
	cfg.SaveStepInterval, cfg.Workers = 4, 2
	if change != nil {
		change(&cfg)
	}
	run, err := experiment.Open(root, name, cfg, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.Close)
	return &Job{Model: m, Train: data.Valid, Config: cfg, Run: run}, run
}

// A run that is interrupted in the middle of an epoch, resumed by a fresh process's model, and interrupted again, ends in the same bits
// as one that was never stopped, with one row for every step.
// fault 33
func TestInterruptedRunEndsInTheSameBits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	straight := modeltest.Tiny(t, "", "vit")
	job, run := small(t, root, "straight", straight, nil)
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := modeltest.AllValues(t, straight)

	var last *model.Model
	for i, stopAt := range []int{3, 6, 0} {
		last = modeltest.Tiny(t, "", "vit")
		ctx, cancel := context.WithCancel(context.Background())
		job, r := small(t, root, "broken", last, nil)
		job.Progress = func(p Progress) {
			if p.Row.Step == stopAt {
				cancel()
			}
		}
		err := job.Do(ctx)
		cancel()
		if stopAt > 0 && !errors.Is(err, ErrInterrupted) || stopAt == 0 && err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		r.Close()
	}
	got := modeltest.AllValues(t, last)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("value %d is %v, an uninterrupted run gives %v", i, got[i], want[i])
		}
	}
	steps := func(dir string) (n int) {
		rows, err := experiment.ReadRows(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Kind == "train" {
				n++
				if r.Step != n {
					t.Errorf("%s: row %d is step %d", dir, n, r.Step)
				}
			}
		}
		return n
	}
	if a, b := steps(run.Dir), steps(strings.Replace(run.Dir, "straight", "broken", 1)); a != 9 || b != 9 {
		t.Errorf("%d and %d rows of 9 steps", a, b)
	}
	paths, err := checkpoint.List(run.Checkpoints())
	if err != nil || len(paths) != 3 { // steps 4 and 8 by interval, 9 at the end; an epoch has 8
		t.Errorf("checkpoints %v, %v", paths, err)
	}
}

// Whoever stops a run while its teacher looks at a step's pictures gets the step before, saved.
func TestInterruptedTeacherGivesItsStepUp(t *testing.T) {
	t.Parallel()
	m, teacher := modeltest.Tiny(t, "cpu:go", "vit"), modeltest.Tiny(t, "cpu:go", "vit")
	job, run := small(t, t.TempDir(), "taught", m, func(c *Config) { c.KDLossWeight, c.SaveStepInterval = 0.5, 0 })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := 0
	job.Teacher = func(ctx context.Context, pixels []float32, n int) ([]float32, error) {
		if asked++; asked == 2 {
			cancel()
		}
		return teacher.EncodeImages(ctx, pixels, n)
	}
	if err := job.Do(ctx); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	path, err := checkpoint.Latest(run.Checkpoints(), func(line string) { t.Error(line) })
	if err != nil || filepath.Base(path) != "step-00000001" {
		t.Errorf("the newest checkpoint is %s (%v), want that of step 1", path, err)
	}
}

// A finished run is not trained again: the model gets its result.
// fault 33
func TestFinishedRunIsLoaded(t *testing.T) {
	root := t.TempDir()
	short := func(c *Config) { c.MaxSteps, c.SaveStepInterval = 2, 0 }
	a := modeltest.Tiny(t, "cpu:go", "vit")
	job, run := small(t, root, "a", a, short)
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	run.Close()
	b := modeltest.Tiny(t, "cpu:go", "vit")
	job, _ = small(t, root, "a", b, short)
	job.Progress = func(Progress) { t.Error("a finished run was trained again") }
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(modeltest.AllValues(t, b), modeltest.AllValues(t, a)) {
		t.Error("the loaded result differs")
	}
}

// A job with everything that a step can have: accumulated micro-batches, masks, a frozen vision tower and a teacher.
func TestJobHonoursTheStepsSettings(t *testing.T) {
	t.Parallel()
	m, teacher := modeltest.Tiny(t, "cpu:go", "vit"), modeltest.Tiny(t, "cpu:go", "vit")
	job, run := small(t, t.TempDir(), "all", m, func(c *Config) {
		c.BatchSize, c.AccumFreq, c.MaxSteps, c.MaskRatio, c.FreezeVision, c.KDLossWeight = 200, 3, 0, 0.5, true, 0.5
		c.MaxEpochs, c.Augment, c.SaveStepInterval = 1, "none", 0
	})
	if err := job.Do(context.Background()); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "Teacher") {
		t.Errorf("a job without its teacher: %v", err)
	}
	job.Teacher = teacher.EncodeImages
	before, text := modeltest.Values(t, m, "visual.proj"), modeltest.Values(t, m, "text_projection")
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(modeltest.Values(t, m, "visual.proj"), before) || slices.Equal(modeltest.Values(t, m, "text_projection"), text) {
		t.Error("the vision tower moved, or the text tower did not")
	}
	rows, err := experiment.ReadRows(run.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var steps int
	for _, r := range rows {
		if r.Kind == "train" {
			steps++
			if r.Samples != int64(600*steps) {
				t.Errorf("step %d has seen %d pairs", steps, r.Samples)
			}
		}
	}
	if steps != 1 { // 750 pairs are 4 batches of 200; the fourth does not fill a second step
		t.Errorf("%d steps", steps)
	}
	job.Config.AccumFreq = 5
	if err := job.Do(context.Background()); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "at most 4") {
		t.Errorf("more micro-batches than an epoch has: %v", err)
	}
}

// A loss that is not a number stops the run, says why, and leaves no checkpoint of the broken weights.
// fault 30
func TestDivergenceStops(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	if err := m.Set("text_projection", []int{24, 32}, func() []float32 {
		v := make([]float32, 24*32)
		v[0] = float32(math.NaN())
		return v
	}()); err != nil {
		t.Fatal(err)
	}
	job, run := small(t, t.TempDir(), "nan", m, nil)
	err := job.Do(context.Background())
	if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "learning rate") {
		t.Error(err)
	}
	if paths, _ := checkpoint.List(run.Checkpoints()); len(paths) > 0 {
		t.Errorf("saved %v", paths)
	}
}

// Steps whose loss is not a number are left out as often as configured, with their pictures named; then the run stops.
// fault 30, 19.6
func TestNaNBudget(t *testing.T) {
	for budget, stops := range map[int]bool{2: true, 100: false} {
		m := modeltest.Tiny(t, "cpu:go", "vit")
		broken := make([]float32, 24*32)
		broken[0] = float32(math.NaN())
		if err := m.Set("text_projection", []int{24, 32}, broken); err != nil {
			t.Fatal(err)
		}
		job, run := small(t, t.TempDir(), "nan", m, nil)
		job.Config.NaNBudget = budget
		var said []string
		job.Say = func(line string) { said = append(said, line) }
		err := job.Do(context.Background())
		if stops && (!errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "the pictures of the step: ")) || !stops && err != nil {
			t.Errorf("budget %d: error %v", budget, err)
		}
		rows, err := experiment.ReadRows(run.Dir)
		if err != nil {
			t.Fatal(err)
		}
		notes, want := 0, 9
		if stops {
			want = budget + 1
		}
		for _, r := range rows {
			if r.Kind == "note" && strings.Contains(r.Note, "; its pictures: ") {
				notes++
			}
			if r.Kind == "train" {
				t.Errorf("budget %d: a row of step %d, which was left out", budget, r.Step)
			}
		}
		if notes != want || strings.Count(strings.Join(said, "\n"), "it is left out, number") != min(budget, 9) {
			t.Errorf("budget %d: %d notes, want %d; said %q", budget, notes, want, said)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	cfg := golden.Config(t, "vit")
	if err := Default(cfg).Check(cfg); err != nil {
		t.Error(err)
	}
	for field, spoil := range map[string]func(*Config){
		"name": func(c *Config) { c.Name = "../x" }, "batch_size": func(c *Config) { c.BatchSize = 1 }, "max_epochs": func(c *Config) { c.MaxEpochs = 0 },
		"lr": func(c *Config) { c.LR = math.NaN() }, "warmup": func(c *Config) { c.Warmup = -1 }, "beta": func(c *Config) { c.Beta2 = 1 },
		"eps": func(c *Config) { c.Epsilon = 0 }, "weight_decay": func(c *Config) { c.WeightDecay = -1 }, "context_length": func(c *Config) { c.ContextLength = 600 },
		"crop_scale": func(c *Config) { c.Augment, c.CropScale[0] = "crop", 0 }, "augment": func(c *Config) { c.Augment = "much" }, "save_epoch_interval": func(c *Config) { c.SaveEpochInterval = -1 },
		"workers": func(c *Config) { c.Workers = 0 }, "accum_freq": func(c *Config) { c.AccumFreq = -1 }, "mask_ratio": func(c *Config) { c.MaskRatio = 0.95 },
		"kd_loss_weight": func(c *Config) { c.KDLossWeight = math.NaN() },
	} {
		c := Default(cfg)
		spoil(&c)
		if err := c.Check(cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
