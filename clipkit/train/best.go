package train

import (
	"fmt"
	"path/filepath"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
)

// The best checkpoint and early stopping (Config.BestMetric, Config.Patience). The best one lies in checkpoints/best, which neither
// resuming nor pruning looks at. What has been reached is part of the state, so a resumed run stops where an uninterrupted one would.

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
	value, measured := row.Metric(c.BestMetric)
	if !measured {
		return fmt.Errorf("%w: best_metric is %q, which Job.Validate does not measure", ErrConfig, c.BestMetric)
	}
	best := j.state.Best
	if best == nil || experiment.Better(c.BestMetric, value, best.Value) {
		j.state.Best = &checkpoint.Best{Metric: c.BestMetric, Value: value, Step: row.Step}
		saved := true
		if j.writes() {
			var err error
			if saved, err = j.saveBest(value); err != nil {
				return err
			}
		}
		if err := exchange.ShareJSON(j.world(), &saved); err != nil {
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
