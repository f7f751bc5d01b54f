package train

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train/lossscale"
	"clipnb/clipkit/weights"
)

// The loss scale is part of a checkpoint: a run that was interrupted ends in the same bits, with the same factor, as one that was not.
func TestLossScaleContinues(t *testing.T) {
	data := &dataset.Dataset{Train: e2eData(t).Train}
	root := t.TempDir()
	fresh := func() *model.Model {
		m := e2eModel(t)
		if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
			t.Fatal(err)
		}
		return m
	}
	scale := func(job Job, factor float64) {
		if err := job.stepper.SetLossScale(lossscale.State{Factor: factor, Good: job.stepper.LossScale().Good}); err != nil {
			t.Error(err)
		}
	}
	train := func(name string, m *model.Model, stopAt int) []string {
		c := e2eConfig(m, name)
		c.MaxSteps, c.LR, c.Precision = 8, 1e-3, "f16"
		run, err := experiment.Open(root, name, c, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var said []string
		job := Job{Model: m, Train: data.Train, Config: c, Run: run, Say: func(line string) { said = append(said, line) }}
		job.Progress = func(p Progress) {
			switch p.Row.Step {
			case 2: // the first was left out as well: 2¹⁶ is too much at the beginning, as in PyTorch
				scale(job, 1<<40) // overflows
			case 3:
				scale(job, 1<<15)
			case stopAt:
				cancel()
			}
		}
		if err := job.Do(ctx); stopAt == 0 && err != nil || stopAt > 0 && !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		return said
	}
	whole, part := fresh(), fresh()
	said := train("whole", whole, 0)
	if !slices.ContainsFunc(said, func(line string) bool {
		return line == "step 3 was left out: its gradients overflow float16; the loss scale is now 5.49755813888e+11"
	}) {
		t.Errorf("said %q", said)
	}
	train("parts", part, 5)
	part = fresh()
	train("parts", part, 0)
	if !slices.Equal(modeltest.AllValues(t, part), modeltest.AllValues(t, whole)) {
		t.Error("the continued run ended in other bits")
	}
	for _, name := range []string{"whole", "parts"} {
		c, err := checkpoint.Open(filepath.Join(root, name, "checkpoints", "step-00000008"))
		if err != nil {
			t.Fatal(err)
		}
		if st := c.State; st.LossScale != 1<<15 || st.GoodSteps != 5 || st.Updates != 6 {
			t.Errorf("%s ends with a loss scale of %v after %d good steps, %d updates", name, st.LossScale, st.GoodSteps, st.Updates)
		}
		c.Close()
	}
}
