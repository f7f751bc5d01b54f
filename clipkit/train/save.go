package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/experiment"
)

// interrupted saves what has been done and says how to go on.
func (j *Job) interrupted(ctx context.Context) error {
	var err error
	begun := j.state.Step > j.first
	if begun && j.saved != j.state.Step {
		err = j.saveNow()
	}
	if err := j.agree(err); err != nil {
		return err
	}
	cause, where := context.Cause(ctx), "by rank 0"
	if cause == nil {
		cause = errors.New("another process was told to stop")
	}
	if j.writes() {
		where = "in " + j.Run.Dir
	}
	if !begun && j.saved < 0 { // a whole checkpoint takes a minute to write
		return known{fmt.Errorf("%w before its first step, with nothing to save: run it again to continue (%w)", ErrInterrupted, cause)}
	}
	j.note("interrupted")
	return known{fmt.Errorf("%w after step %d of %d; saved %s: run it again to continue (%w)", ErrInterrupted, j.state.Step, j.perRun, where, cause)}
}

// ended saves the last step where the data end the run: what was trained is not lost with them.
func (j *Job) ended(err error) error {
	if j.state.Step == j.first || j.saved == j.state.Step {
		return err
	}
	if other := j.saveNow(); other != nil {
		return errors.Join(err, other)
	}
	return fmt.Errorf("%w; step %d is saved: run it again to continue", err, j.state.Step)
}

func (j *Job) note(text string) {
	_ = j.log("%s", text) // what is noted is also said or returned
	_ = j.record(experiment.Row{Kind: "note", Step: j.state.Step, Epoch: j.state.Epoch + 1, Samples: j.state.Samples, Note: text})
}

// save writes a checkpoint and removes old ones. One that cannot be written is said aloud, and training goes on to the next (Config.OnFailedSave).
func (j *Job) save() error {
	err := j.trySave()
	if err == nil || !j.goesOn(err) {
		return j.unsaved(err)
	}
	if j.saved == j.state.Step { // an older one could not be removed
		j.Say(err.Error())
		j.note(err.Error())
		return nil
	}
	kept := "there is no checkpoint before it"
	if j.saved >= 0 {
		kept = fmt.Sprintf("the checkpoint of step %d is whole", j.saved)
	}
	text := fmt.Sprintf("STEP %d IS NOT SAVED: %v; %s. Training goes on and saves again at the next time: make room before, or what comes after that checkpoint is lost when it ends", j.state.Step, err, kept)
	j.Say(text)
	j.note(text)
	return nil
}

// saveNow is save where no other time follows.
func (j *Job) saveNow() error { return j.unsaved(j.trySave()) }

// unsaved says what to do about a save that failed.
func (j *Job) unsaved(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; nothing of the checkpoints before is lost: free space or make %s writable, and run it again", err, j.Run.Checkpoints())
}

func (j *Job) trySave() error {
	if !j.writes() {
		j.saved = j.state.Step
		return nil
	}
	start := j.Now()
	if err := j.Run.Sync(); err != nil { // rows that are lost are trained again only if they come after the checkpoint
		return err
	}
	path, err := j.write(j.Run.Checkpoints())
	if err != nil {
		return err
	}
	j.saved = j.state.Step
	err = j.log("Saved checkpoint %s (epoch %d @ %d steps) (writing took %.2f seconds)", path, j.lastEpoch(), j.state.Step, j.Now().Sub(start).Seconds())
	if err != nil {
		return err
	}
	return checkpoint.Prune(j.Run.Checkpoints(), j.Config.KeepCheckpoints)
}

// goesOn tells whether training goes on after a save that failed: the disk's fault, as far as that can be told, and not the model's.
func (j *Job) goesOn(err error) bool {
	path, link := (*fs.PathError)(nil), (*os.LinkError)(nil)
	return j.Config.OnFailedSave != "stop" && (errors.As(err, &path) || errors.As(err, &link))
}

// write puts a checkpoint of the present into dir. On a full disk old ones make room.
func (j *Job) write(dir string) (path string, err error) {
	parts, err := j.parts()
	if err != nil {
		return "", err
	}
	scale := j.stepper.LossScale()
	j.state.EpochPairs = j.places()
	j.state.Updates, j.state.LossScale, j.state.GoodSteps = j.stepper.Updates(), scale.Factor, scale.Good
	for {
		path, err = checkpoint.Save(dir, j.state, parts)
		if !checkpoint.IsFull(err) || !j.makeRoom() {
			break
		}
	}
	return path, err
}

// parts are what a checkpoint holds, read from the device as it is written.
func (j *Job) parts() (p checkpoint.Parts, err error) {
	p.Model, p.Optimizer = j.Model.Tensors(j.Model.Config.Tensors()...), j.stepper.Moments()
	if p.Adapters, err = j.stepper.Additions(); err != nil {
		return p, fmt.Errorf("saving the additions of LoRA: %w", err)
	}
	return p, nil
}

// makeRoom removes the oldest checkpoint that may go: where several are kept, and never the newest that is known to be whole. The best one lies
// elsewhere.
func (j *Job) makeRoom() bool {
	paths, err := checkpoint.List(j.Run.Checkpoints())
	if err != nil || j.Config.KeepCheckpoints < 2 || j.saved < 0 || len(paths) == 0 || paths[0] >= checkpoint.Path(j.Run.Checkpoints(), j.saved) {
		return false
	}
	if err := checkpoint.Remove(paths[0]); err != nil {
		return false
	}
	text := fmt.Sprintf("the disk is full: removed %s to make room for the checkpoint of step %d", paths[0], j.state.Step)
	j.Say(text)
	j.note(text)
	return true
}
