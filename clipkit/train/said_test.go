package train

import (
	"context"
	"strings"
	"testing"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model/modeltest"
)

// What a person should know of a run is said once: pairs that an epoch takes twice, pictures and captions that repeat in a step, and that max_steps ended it.
func TestRunSaysWhatRepeatsAndWhyItEnds(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t, "cpu:go", "vit")
	var said []string
	job, _ := small(t, t.TempDir(), "said", m, func(c *Config) { c.BatchSize, c.MaxSteps, c.SaveStepInterval = 100, 3, 0 })
	job.Say = func(line string) { said = append(said, line) }
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{
		"750 pairs fill 8 batches of 100 with 50 pairs taken a second time in each epoch",
		"of the 100 pairs of step 1 here, ",
		"stopping: step 3 has reached max_steps, in epoch 1",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not said once in %q", want, said)
		}
	}
	if strings.Count(text, "have a picture and") != 1 {
		t.Errorf("repeats are not said once: %q", said)
	}
}

// 0 and less switch validation off; with both off there is none at the end either.
func TestIntervalsSwitchValidationOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ epochs, steps, want int }{{-1, -1, 0}, {0, 0, 0}, {-1, 2, 2}, {0, 3, 1}, {1, 0, 1}} {
		m := modeltest.Tiny(t, "cpu:go", "vit")
		job, _ := small(t, t.TempDir(), "valid", m, func(cfg *Config) {
			cfg.BatchSize, cfg.MaxSteps, cfg.SaveStepInterval, cfg.Augment = 50, 3, 0, "none"
			cfg.ValidEpochInterval, cfg.ValidStepInterval = c.epochs, c.steps
		})
		n := 0
		job.Validate = func(context.Context) (experiment.Row, error) {
			n++
			return experiment.Row{Loss: 1}, nil
		}
		if err := job.Do(context.Background()); err != nil || n != c.want {
			t.Errorf("valid_epoch_interval %d, valid_step_interval %d: %d validations, want %d (%v)", c.epochs, c.steps, n, c.want, err)
		}
	}
}
