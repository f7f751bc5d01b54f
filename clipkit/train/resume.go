package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/train/lossscale"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// resume puts model, optimizer and state where the newest whole checkpoint of the run left them; a new run begins at Config.Resume.
func (j *Job) resume() error {
	for _, dir := range []string{j.Run.Checkpoints(), filepath.Join(j.Run.Checkpoints(), "best")} {
		if err := checkpoint.Recover(dir, j.Say); err != nil {
			return err
		}
	}
	path, err := checkpoint.Latest(j.Run.Checkpoints(), j.Say)
	if errors.Is(err, checkpoint.ErrNone) {
		if err := j.Run.Rewind(0); err != nil {
			return err
		}
		if j.Config.Resume == "" {
			return nil
		}
		if err := j.begin(j.Config.Resume); err != nil {
			return fmt.Errorf("resuming from %s: %w", j.Config.Resume, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := j.loadCheckpoint(c, true); err != nil {
		return fmt.Errorf("resuming from %s: %w", path, err)
	}
	j.state, j.saved = c.State, c.State.Step
	j.state.ByTime = false
	if err := j.Run.Rewind(j.state.Step); err != nil {
		return err
	}
	j.sayOtherOrder()
	if j.finished() {
		j.Say(fmt.Sprintf("%s is finished (%d steps): loading its result; choose another Name to train again", j.Run.Dir, j.state.Step))
		return nil
	}
	j.Say(fmt.Sprintf("continuing %s after step %d of %d", j.Run.Dir, j.state.Step, j.perRun))
	j.note(fmt.Sprintf("resumed after step %d", j.state.Step))
	return nil
}

// places is how many the epoch's order has: its pairs, filled up to whole batches on all ranks.
func (j *Job) places() int {
	return batches(len(j.pairs), j.Config) * j.Config.BatchSize * max(1, j.Config.WorldSize)
}

// sayOtherOrder tells of an epoch that goes on in another order than it began. An earlier version filled it up to whole steps, and so had another
// order than the reference where micro-batches were accumulated.
func (j *Job) sayOtherOrder() {
	had := j.state.EpochPairs
	if had == 0 {
		step := j.Config.perStep()
		had = (len(j.pairs) + step - 1) / step * step
	}
	if j.state.Batch == 0 || had == j.places() {
		return
	}
	text := fmt.Sprintf("the rest of epoch %d is read in another order than its beginning, which had %d places for its pairs and not %d: some of them come twice in it and others not at all",
		j.state.Epoch+1, had, j.places())
	j.Say(text)
	j.note(text)
}

// begin starts a new run at a file of weights, a checkpoint of ours, or the newest of another run.
func (j *Job) begin(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return j.beginAtFile(path)
	}
	c, err := checkpoint.Find(path, j.Say)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := j.loadCheckpoint(c, !j.Config.ResetOptimizer); err != nil {
		return err
	}
	if j.Config.ResetDataOffset {
		return j.begun(c.Path, "", checkpoint.State{})
	}
	return j.begun(c.Path, "", c.State)
}

// loadCheckpoint takes the model of a checkpoint, and the optimizer's state if that is wanted.
func (j *Job) loadCheckpoint(c *checkpoint.Checkpoint, optimizer bool) error {
	if err := weights.Load(j.Model, j.Model.Config, c.Model); err != nil {
		return err
	}
	j.loaded = true
	if !optimizer {
		j.rebased = true
		return j.stepper.Rebase()
	}
	read := func(name string) ([]int, []float32, error) {
		t, err := c.Optimizer.Unread(name)
		if err != nil {
			return nil, nil, fmt.Errorf("%w (reset_optimizer leaves the optimizer's state out)", err)
		}
		v, err := t.Float32()
		return t.Shape, v, err
	}
	if err := j.stepper.CheckAdapters(read); err != nil {
		return err
	}
	if err := j.stepper.SetLossScale(lossscale.State{Factor: c.State.LossScale, Good: c.State.GoodSteps}); err != nil {
		return fmt.Errorf("%w (reset_optimizer leaves it out)", err)
	}
	return j.stepper.SetMoments(c.State.Updates, read)
}

// beginAtFile starts at a .pt of the reference's training, or at weights without an optimizer's state, such as the published ones.
func (j *Job) beginAtFile(path string) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := weights.Load(j.Model, j.Model.Config, f); err != nil {
		return err
	}
	j.loaded, j.rebased = true, true
	if err := j.stepper.Rebase(); err != nil {
		return err
	}
	ck := f.Checkpoint
	switch {
	case ck == nil || ck.Optimizer == nil && ck.OptimizerError == nil:
		return j.begun(path, "it has no optimizer state: taken as initial weights, from step 0", checkpoint.State{})
	case !j.Config.ResetOptimizer && ck.OptimizerError != nil:
		return fmt.Errorf("its optimizer state cannot be read (reset_optimizer leaves it out): %w", ck.OptimizerError)
	}
	if !j.Config.ResetOptimizer {
		if err := setReference(j.stepper, ck.Optimizer); err != nil {
			return err
		}
	}
	if j.Config.ResetDataOffset {
		return j.begun(path, "", checkpoint.State{})
	}
	return j.begun(path, "", j.positionOf(ck))
}

// positionOf is where a checkpoint of the reference stands. Its step files carry the number of the epoch that they are in the middle of, and the
// reference goes on with the next; here the epoch goes on.
func (j *Job) positionOf(ck *pytorch.Checkpoint) checkpoint.State {
	st := checkpoint.State{Step: ck.Epoch * j.perPass, Epoch: ck.Epoch}
	if done := ck.Step - (ck.Epoch-1)*j.perPass; ck.Epoch > 0 && done > 0 && done < j.perPass {
		st = checkpoint.State{Step: ck.Step, Epoch: ck.Epoch - 1, Batch: done}
	}
	st.EpochPairs = j.places() // of its order, which is ours
	st.Samples = int64(st.Step) * int64(j.Config.perStep())
	return st
}

// begun takes over where a new run stands.
func (j *Job) begun(path, remark string, st checkpoint.State) error {
	st.Arch, st.Best, st.Stopped, st.ByTime = j.Model.Config, nil, "", false
	j.state = st
	j.sayOtherOrder()
	if st.Batch >= j.perPass {
		return fmt.Errorf("%w: it stands at batch %d of an epoch that has %d here: set reset_data_offset, or take the data and batch size of then", ErrConfig, st.Batch, j.perPass)
	}
	if j.finished() {
		return fmt.Errorf("%w: it stands at step %d, and this run has %d: set reset_data_offset, or raise max_epochs or max_steps", ErrConfig, st.Step, j.perRun)
	}
	line := fmt.Sprintf("loaded %s (epoch %d @ %d steps)", path, st.Epoch, st.Step)
	if remark != "" {
		line += "; " + remark
	}
	j.Say(line)
	return j.log("=> %s", line)
}

// setReference takes the moments of a .pt, which are numbered in the order of adamw.Parameters.
func setReference(s *step.Stepper, o *pytorch.Optimizer) error {
	params, own := s.Parameters()
	if len(own) > 0 {
		return fmt.Errorf("%w: a .pt has no optimizer state for LoRA or siglip: set reset_optimizer", ErrConfig)
	}
	if len(o.State) != len(params) {
		return fmt.Errorf("%w: its optimizer has %d parameters, and %d are trained here: set reset_optimizer, or freeze_vision as it was then", ErrConfig, len(o.State), len(params))
	}
	byName, updates := map[string]tensor.Tensor{}, 0
	for i, st := range o.State {
		m, v := step.MomentPrefixes[0]+params[i].Name, step.MomentPrefixes[1]+params[i].Name
		if st.Step == 0 { // never updated
			zero := tensor.F32("", params[i].Shape, make([]float32, params[i].Size()))
			byName[m], byName[v] = zero, zero
			continue
		}
		byName[m], byName[v] = st.ExpAvg, st.ExpAvgSq
		updates = max(updates, st.Step)
	}
	return s.SetMoments(updates, func(name string) ([]int, []float32, error) {
		v, err := byName[name].Float32()
		return byName[name].Shape, v, err
	})
}
