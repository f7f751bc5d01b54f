package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
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
	"clipnb/clipkit/train/lora"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/pytorch"
)

// begin is a job that resumes as c says and stands before its first step.
func begin(t *testing.T, m *model.Model, data *dataset.Dataset, c Config) (*Job, string, error) {
	t.Helper()
	run, err := experiment.Open(t.TempDir(), c.Name, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.Close)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var said []string
	job := &Job{Model: m, Train: data.Train, Config: c, Run: run, Say: func(line string) { said = append(said, line) }}
	err = job.Do(ctx)
	if errors.Is(err, ErrInterrupted) {
		err = nil
	}
	return job, strings.Join(said, "\n"), err
}

// Where a run begins, for every kind of file and both reset flags. An epoch of the data has 4 steps.
func TestResumeFromFiles(t *testing.T) {
	data := e2eData(t)
	dir := t.TempDir()
	f := golden.Open(t, "e2e/epoch2.pt")
	m := e2eModel(t)
	parts, err := weights.StateDict(m.Config, f)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, ck *pytorch.Checkpoint) string {
		path := filepath.Join(dir, name)
		if err := pytorch.Write(path, parts, ck); err != nil {
			t.Fatal(err)
		}
		return path
	}
	published := write("published.pt", &pytorch.Checkpoint{Epoch: 15, Name: "x"})
	middle := write("epoch_2_6.pt", &pytorch.Checkpoint{Epoch: 2, Step: 6, Name: "x", Optimizer: f.Checkpoint.Optimizer})
	plain := filepath.Join(dir, "model.safetensors")
	if err := weights.WriteSafetensors(plain, parts, nil); err != nil {
		t.Fatal(err)
	}
	whole := golden.Path("e2e/epoch2.pt")
	for _, c := range []struct {
		name               string
		path               string
		resetOptimizer     bool
		resetOffset        bool
		step, epoch, batch int
		updates            int
		said               string
	}{
		{"with everything", whole, false, false, 8, 2, 0, 8, "epoch 2 @ 8 steps"},
		{"reset optimizer", whole, true, false, 8, 2, 0, 0, "epoch 2 @ 8 steps"},
		{"reset offset", whole, false, true, 0, 0, 0, 8, "epoch 0 @ 0 steps"},
		{"reset both", whole, true, true, 0, 0, 0, 0, "epoch 0 @ 0 steps"},
		{"published", published, false, false, 0, 0, 0, 0, "no optimizer state: taken as initial weights"},
		{"middle of an epoch", middle, false, false, 6, 1, 2, 8, "epoch 1 @ 6 steps"},
		{"safetensors", plain, false, false, 0, 0, 0, 0, "no optimizer state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := e2eConfig(m, "run")
			cfg.MaxEpochs, cfg.Resume, cfg.ResetOptimizer, cfg.ResetDataOffset = 3, c.path, c.resetOptimizer, c.resetOffset
			modeltest.SetScalar(t, m, "logit_scale", 1)
			job, said, err := begin(t, m, data, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if st := job.state; st.Step != c.step || st.Epoch != c.epoch || st.Batch != c.batch || st.Samples != int64(4*c.step) {
				t.Errorf("begins at %+v", st)
			}
			if job.stepper.Updates() != c.updates {
				t.Errorf("%d updates, want %d", job.stepper.Updates(), c.updates)
			}
			if !strings.Contains(said, c.said) {
				t.Errorf("said %q, want %q", said, c.said)
			}
			if got := modeltest.Values(t, m, "logit_scale")[0]; got == 1 {
				t.Error("the weights were not loaded")
			}
		})
	}

	for name, c := range map[string]struct {
		path, want string
		change     func(*Config)
	}{
		"absent":           {filepath.Join(dir, "none.pt"), "no such file", nil},
		"other model":      {golden.Path("vit/init.pt"), "", nil},
		"finished":         {whole, "max_epochs", func(c *Config) { c.MaxEpochs = 2 }},
		"frozen otherwise": {whole, "freeze_vision", func(c *Config) { c.FreezeVision = true }},
		"lora":             {whole, "reset_optimizer", func(c *Config) { c.LoRARank, c.LoRAAlpha = 2, 2 }},
		"a folder":         {dir, "manifest.json", nil},
	} {
		cfg := e2eConfig(m, "run")
		cfg.MaxEpochs, cfg.Resume = 3, c.path
		if c.change != nil {
			c.change(&cfg)
		}
		if _, _, err := begin(t, m, data, cfg); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "resuming from "+c.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is not the model's continues too: LoRA's factors and siglip's bias. A LoRA run refuses a model that it did not begin with.
func TestOwnParametersContinue(t *testing.T) {
	data := &dataset.Dataset{Train: e2eData(t).Train}
	for name, change := range map[string]func(*Config){
		"lora":   func(c *Config) { c.LoRARank, c.LoRAAlpha = 2, 4 },
		"siglip": func(c *Config) { c.Loss, c.MultiPositive = "siglip", true },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			fresh := func() *model.Model {
				m := e2eModel(t)
				if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
					t.Fatal(err)
				}
				return m
			}
			config := func(m *model.Model, name string) Config {
				c := e2eConfig(m, name)
				c.MaxSteps, c.SaveStepInterval, c.LR = 6, 2, 1e-2
				change(&c)
				return c
			}
			whole := fresh()
			dir, rows, _ := doJob(t, root, whole, data, config(whole, "whole"))
			if last := rows[len(rows)-1]; last.Step != 6 || !(last.Loss > 0) {
				t.Errorf("last row %+v", last)
			}

			part := fresh()
			c := config(part, "parts")
			run, err := experiment.Open(root, c.Name, c, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			job := Job{Model: part, Train: data.Train, Config: c, Run: run, Progress: func(p Progress) {
				if p.Row.Step == 3 {
					cancel()
				}
			}}
			if err := job.Do(ctx); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			run.Close()
			part = fresh()
			doJob(t, root, part, data, c)
			if !slices.Equal(modeltest.AllValues(t, part), modeltest.AllValues(t, whole)) {
				t.Error("the continued run ended in other bits")
			}
			for _, file := range []string{"optimizer.safetensors", "model.safetensors"} {
				at := filepath.Join("checkpoints", "step-00000006", file)
				a, errA := os.ReadFile(filepath.Join(dir, at))
				b, errB := os.ReadFile(filepath.Join(root, "parts", at))
				if errA != nil || errB != nil || !slices.Equal(a, b) {
					t.Errorf("%s differs (%v, %v)", file, errA, errB)
				}
			}
			if name == "lora" {
				checkAdaptersFile(t, whole, fresh(), filepath.Join(dir, "checkpoints", "step-00000006"))
				other := e2eModel(t)
				if err := other.Init(3); err != nil {
					t.Fatal(err)
				}
				run, err := experiment.Open(root, c.Name, c, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				defer run.Close()
				job := Job{Model: other, Train: data.Train, Config: c, Run: run}
				if err := job.Do(context.Background()); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "began with") {
					t.Errorf("another model: %v", err)
				}
			}
		})
	}
}

// checkAdaptersFile computes the trained matrices from the first ones and the file of additions alone.
func checkAdaptersFile(t *testing.T, trained, first *model.Model, path string) {
	t.Helper()
	f, err := weights.Open(filepath.Join(path, "adapters.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, ad := range lora.Adapters(first.Config, 2, false) {
		a, b := golden.Values(t, f, ad.A.Name), golden.Values(t, f, ad.B.Name)
		want := modeltest.Values(t, first, ad.Matrix.Name)
		for i := range ad.Matrix.Shape[0] {
			for j := range ad.Matrix.Shape[1] {
				for k := range 2 {
					want[i*ad.Matrix.Shape[1]+j] += b[i*2+k] * a[k*ad.Matrix.Shape[1]+j]
				}
			}
		}
		golden.Close(t, ad.Matrix.Name, modeltest.Values(t, trained, ad.Matrix.Name), want, 1e-5)
	}
}

// The validations of a run that gets better until step 4 and then does not: it stops after three that are no better, keeps the best
// checkpoint apart, and is finished for whoever opens it again.
func TestEarlyStopping(t *testing.T) {
	m, data, root := e2eModel(t), e2eData(t), t.TempDir()
	if err := m.Init(1); err != nil {
		t.Fatal(err)
	}
	c := e2eConfig(m, "run")
	c.MaxSteps, c.ValidStepInterval, c.ValidEpochInterval, c.SaveEpochInterval, c.KeepCheckpoints = 100, 2, 0, 0, 1
	c.BestMetric, c.Patience = "mean_recall", 3
	recalls := map[int]float64{2: 10, 4: 30, 6: 30, 8: 29, 10: 1}
	step := 0
	job := Job{Model: m, Train: data.Train, Config: c, Progress: func(p Progress) { step = p.Row.Step }}
	job.Validate = func(context.Context) (experiment.Row, error) {
		r := &experiment.Recall{Mean: recalls[step]}
		return experiment.Row{TextToImage: r, ImageToText: r}, nil
	}
	open := func() *experiment.Run {
		run, err := experiment.Open(root, c.Name, c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	for _, stopAt := range []int{7, 0} { // an interruption between the misses changes nothing
		ctx, cancel := context.WithCancel(context.Background())
		job.Run, job.Progress = open(), func(p Progress) {
			if step = p.Row.Step; step == stopAt {
				cancel()
			}
		}
		if err := job.Do(ctx); stopAt == 0 && err != nil || stopAt > 0 && !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		cancel()
		job.Run.Close()
	}
	if step != 10 || !strings.Contains(job.state.Stopped, "after step 10") || !strings.Contains(job.state.Stopped, "30.0000 at step 4") {
		t.Errorf("stopped at step %d: %q", step, job.state.Stopped)
	}
	best, err := BestCheckpoint(job.Run.Dir, func(line string) { t.Error(line) })
	if err != nil || filepath.Base(best) != "step-00000004" {
		t.Fatalf("best checkpoint %s, %v", best, err)
	}
	ck, err := checkpoint.Open(best)
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	if ck.State.Step != 4 || ck.State.Best.Value != 30 {
		t.Errorf("best state %+v", ck.State)
	}
	final(t, job.Run.Dir, 10)

	job.Run = open()
	defer job.Run.Close()
	var said []string
	job.Progress, job.Say = func(Progress) { t.Error("a run that had stopped was trained on") }, func(line string) { said = append(said, line) }
	if err := job.Do(context.Background()); err != nil || !strings.Contains(fmt.Sprint(said), "is finished (10 steps)") {
		t.Errorf("%v, %q", err, said)
	}
	job.Config.BestMetric = "text_to_image_r1"
	job.Validate = nil
	if err := job.Do(context.Background()); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "Validate") {
		t.Errorf("no validation to judge by: %v", err)
	}
}

// A validation that is interrupted is made up for, in the middle of a run and at its end: the rows and the best checkpoint are those of an
// uninterrupted run.
func TestInterruptedValidationIsMadeUpFor(t *testing.T) {
	m, data, root := e2eModel(t), e2eData(t), t.TempDir()
	c := e2eConfig(m, "run")
	c.MaxSteps, c.ValidStepInterval, c.BestMetric = 6, 2, "loss"
	for _, stopAt := range []int{2, 6, 0} {
		if err := m.Init(1); err != nil {
			t.Fatal(err)
		}
		run, err := experiment.Open(root, c.Name, c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		job := Job{Model: m, Train: data.Train, Config: c, Run: run}
		job.Validate = func(ctx context.Context) (experiment.Row, error) {
			if job.state.Step == stopAt {
				cancel()
			}
			return experiment.Row{Loss: float64(10 - job.state.Step)}, ctx.Err()
		}
		if err := job.Do(ctx); stopAt > 0 && !errors.Is(err, ErrInterrupted) || stopAt == 0 && err != nil {
			t.Fatalf("stop at %d: %v", stopAt, err)
		}
		cancel()
		run.Close()
	}
	rows, err := experiment.ReadRows(filepath.Join(root, c.Name))
	if err != nil {
		t.Fatal(err)
	}
	var steps []int
	for _, r := range rows {
		if r.Kind == "valid" {
			steps = append(steps, r.Step)
			if want := (r.Step + 3) / 4; r.Epoch != want {
				t.Errorf("the validation after step %d is of epoch %d, want %d", r.Step, r.Epoch, want)
			}
		}
	}
	if !slices.Equal(steps, []int{2, 4, 6}) {
		t.Errorf("validations after steps %v, want 2, 4, 6", steps)
	}
	if best, err := BestCheckpoint(filepath.Join(root, c.Name), func(line string) { t.Error(line) }); err != nil || filepath.Base(best) != "step-00000006" {
		t.Errorf("best checkpoint %s, %v", best, err)
	}
}

// A loss that jumps ends the run; what was saved is from before.
// fault 30
func TestSpikeEndsTheRun(t *testing.T) {
	m, data := e2eModel(t), e2eData(t)
	if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
		t.Fatal(err)
	}
	c := e2eConfig(m, "run")
	c.MaxSteps, c.SaveStepInterval, c.SpikeFactor, c.LR = 40, 10, 5, 1e-6
	run, err := experiment.Open(t.TempDir(), c.Name, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	job := Job{Model: m, Train: data.Train, Config: c, Run: run}
	job.Progress = func(p Progress) {
		if p.Row.Step == 11 { // as a bad update would: every cosine counts 50 times as much, and most are wrong
			if err := m.Set("logit_scale", nil, []float32{float32(math.Log(700))}); err != nil {
				t.Error(err)
			}
		}
	}
	err = job.Do(context.Background())
	if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "step 12") || !strings.Contains(err.Error(), "of step 10") {
		t.Errorf("error %v", err)
	}
	if paths, err := checkpoint.List(run.Checkpoints()); err != nil || filepath.Base(paths[len(paths)-1]) != "step-00000010" {
		t.Errorf("checkpoints %v, %v", paths, err)
	}
}
