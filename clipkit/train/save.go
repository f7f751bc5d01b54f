package train

import (
	"context"
	"errors"
	"fmt"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights/tensor"
)

// interrupted saves what has been done and says how to go on.
func (j *Job) interrupted(ctx context.Context) error {
	var err error
	begun := j.state.Step > j.first
	if begun && j.saved != j.state.Step {
		err = j.save()
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

func (j *Job) note(text string) {
	_ = j.log("%s", text) // what is noted is also said or returned
	_ = j.record(experiment.Row{Kind: "note", Step: j.state.Step, Epoch: j.state.Epoch + 1, Samples: j.state.Samples, Note: text})
}

// save writes a checkpoint and removes old ones. When it fails, the ones before are untouched.
func (j *Job) save() error {
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
	err = j.Run.Log("Saved checkpoint %s (epoch %d @ %d steps) (writing took %.2f seconds)", path, j.lastEpoch(), j.state.Step, j.Now().Sub(start).Seconds())
	if err != nil {
		return err
	}
	return checkpoint.Prune(j.Run.Checkpoints(), j.Config.KeepCheckpoints)
}

// write puts a checkpoint of the present into dir.
func (j *Job) write(dir string) (path string, err error) {
	var parts checkpoint.Parts
	if parts.Model, err = Parts(j.Model); err != nil {
		return "", err
	}
	err = j.stepper.Moments(func(name string, shape []int, values []float32) error {
		parts.Optimizer = append(parts.Optimizer, tensor.F32(name, shape, values))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("saving the optimizer: %w", err)
	}
	if parts.Adapters, err = j.stepper.Additions(); err != nil {
		return "", fmt.Errorf("saving the additions of LoRA: %w", err)
	}
	scale := j.stepper.LossScale()
	j.state.EpochPairs = j.places()
	j.state.Updates, j.state.LossScale, j.state.GoodSteps = j.stepper.Updates(), scale.Factor, scale.Good
	path, err = checkpoint.Save(dir, j.state, parts)
	if err != nil {
		return "", fmt.Errorf("%w; nothing of the checkpoints before is lost: free space or make %s writable, and run it again", err, dir)
	}
	return path, nil
}

// Parts copies a model's whole state dict out, in its order.
func Parts(m *model.Model) ([]tensor.Tensor, error) {
	var parts []tensor.Tensor
	for _, t := range m.Config.Tensors() {
		_, values, err := m.Get(t.Name)
		if err != nil {
			return nil, err
		}
		if t.Int64 {
			parts = append(parts, tensor.I64(t.Name, int64(values[0])))
			continue
		}
		parts = append(parts, tensor.F32(t.Name, t.Shape, values))
	}
	return parts, nil
}
