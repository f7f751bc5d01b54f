package train

import (
	"fmt"
	"path/filepath"
	"slices"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/experiment"
)

// The best checkpoint and early stopping (Config.BestMetric, Config.Patience). The best one lies in checkpoints/best, which neither
// resuming nor pruning looks at. What has been reached is part of the state, so a resumed run stops where an uninterrupted one would.

// metrics are what a validation can be judged by, all but the loss better when larger.
var metrics = []struct {
	name  string
	value func(experiment.Row) (value float64, measured bool)
}{
	{"loss", func(r experiment.Row) (float64, bool) { return r.Loss, true }},
	{"image_to_text_acc", func(r experiment.Row) (float64, bool) { return r.ImageToTextAcc, true }},
	{"text_to_image_acc", func(r experiment.Row) (float64, bool) { return r.TextToImageAcc, true }},
	{"text_to_image_r1", func(r experiment.Row) (float64, bool) {
		return recallValue(r.TextToImage, func(x *experiment.Recall) float64 { return x.R1 })
	}},
	{"image_to_text_r1", func(r experiment.Row) (float64, bool) {
		return recallValue(r.ImageToText, func(x *experiment.Recall) float64 { return x.R1 })
	}},
	{"mean_recall", func(r experiment.Row) (float64, bool) { // of R@1, 5 and 10 in both directions
		if r.TextToImage == nil || r.ImageToText == nil {
			return 0, false
		}
		return (r.TextToImage.Mean + r.ImageToText.Mean) / 2, true
	}},
}

func recallValue(r *experiment.Recall, value func(*experiment.Recall) float64) (float64, bool) {
	if r == nil {
		return 0, false
	}
	return value(r), true
}

// Metrics are the names that Config.BestMetric takes. Recall is that of the whole validation split, the accuracies are within a batch.
func Metrics() (names []string) {
	for _, m := range metrics {
		names = append(names, m.name)
	}
	return names
}

// BestCheckpoint is the checkpoint with the best validation of the run in dir. It wraps checkpoint.ErrNone where there is none.
func BestCheckpoint(dir string, warn func(string)) (path string, err error) {
	return checkpoint.Latest(filepath.Join(dir, "checkpoints", "best"), warn)
}

// saveBest writes the present as the best checkpoint. One that cannot be written is said aloud, and the one before stays the best (Config.OnFailedSave).
func (j *Job) saveBest(value float64) (saved bool, err error) {
	dir := filepath.Join(j.Run.Checkpoints(), "best")
	path, err := j.write(dir)
	if err != nil && j.goesOn(err) {
		text := fmt.Sprintf("THE BEST CHECKPOINT SO FAR, OF STEP %d WITH %s %.4f, IS NOT SAVED: %v. The one before stays, and training goes on", j.state.Step, j.Config.BestMetric, value, err)
		j.Say(text)
		j.note(text)
		return false, nil
	}
	if err != nil {
		return false, j.unsaved(err)
	}
	if err := j.log("Saved best checkpoint %s (%s %.4f @ %d steps)", path, j.Config.BestMetric, value, j.state.Step); err != nil {
		return false, err
	}
	return true, checkpoint.Prune(dir, 1)
}

// judge keeps the checkpoint of a validation that is the best so far, and ends the run after too many that are not.
func (j *Job) judge(row experiment.Row) error {
	c := j.Config
	if c.BestMetric == "" {
		return nil
	}
	at := slices.Index(Metrics(), c.BestMetric)
	value, measured := metrics[at].value(row)
	if !measured {
		return fmt.Errorf("%w: best_metric is %q, which Job.Validate does not measure", ErrConfig, c.BestMetric)
	}
	best := j.state.Best
	better := best == nil || value > best.Value
	if c.BestMetric == "loss" && best != nil {
		better = value < best.Value
	}
	if better {
		j.state.Best = &checkpoint.Best{Metric: c.BestMetric, Value: value, Step: row.Step}
		saved := true
		if j.writes() {
			var err error
			if saved, err = j.saveBest(value); err != nil {
				return err
			}
		}
		if err := shareJSON(j.world(), &saved); err != nil {
			return err
		}
		if !saved {
			j.state.Best = best // which is the one that there is
		}
		return nil
	}
	next := *best // the one in a saved state stays as it is
	next.Misses++
	j.state.Best = &next
	if c.Patience > 0 && next.Misses >= c.Patience {
		j.state.Stopped = fmt.Sprintf("stopped early after step %d: %s %.4f is no better than %.4f at step %d, %d validations in a row",
			row.Step, c.BestMetric, value, next.Value, next.Step, next.Misses)
		if j.writes() {
			j.Say(j.state.Stopped + "; the best checkpoint is in " + filepath.Join(j.Run.Checkpoints(), "best"))
		}
		j.note(j.state.Stopped)
	}
	return nil
}
