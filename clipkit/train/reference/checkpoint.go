// Package reference writes a checkpoint of a run here as one that the reference's training goes on from.
package reference

import (
	"fmt"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// Checkpoint is a checkpoint of ours as the reference's training writes it (cn_clip/training/main.py:321): pytorch.Write puts it into a file
// that its --resume continues from. cfg is the run's configuration. The tensors are read from c, which stays open, when they are used.
//
// A LoRA run is written without an optimizer's state, which is not that of the weights; the reference then wants --reset-optimizer.
// Of a checkpoint in the middle of an epoch the reference goes on with the next epoch, as with its own.
func Checkpoint(c *checkpoint.Checkpoint, cfg train.Config) ([]tensor.Tensor, *pytorch.Checkpoint, error) {
	tensors, err := weights.StateDict(c.State.Arch, c.Model)
	if err != nil {
		return nil, nil, err
	}
	ck := &pytorch.Checkpoint{Epoch: c.State.Epoch, Step: c.State.Step, Name: cfg.Name, Optimizer: &pytorch.Optimizer{}}
	if c.State.Batch > 0 {
		ck.Epoch++
	}
	if cfg.LoRARank > 0 {
		ck.Optimizer = nil
		return tensors, ck, nil
	}
	plain := pytorch.Group{LR: cfg.LR, Beta1: cfg.Beta1, Beta2: cfg.Beta2, Epsilon: cfg.Epsilon}
	decay := plain
	decay.WeightDecay = cfg.WeightDecay
	for _, p := range cfg.StepConfig().Trained(c.State.Arch) {
		state := pytorch.ParamState{Step: c.State.Updates}
		if state.ExpAvg, err = c.Optimizer.Unread(step.MomentPrefixes[0] + p.Name); err == nil {
			state.ExpAvgSq, err = c.Optimizer.Unread(step.MomentPrefixes[1] + p.Name)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the optimizer's state of %s: %w", p.Name, err)
		}
		if adamw.NoDecay(p.Name) {
			plain.Params++
		} else {
			decay.Params++
		}
		ck.Optimizer.State = append(ck.Optimizer.State, state)
	}
	ck.Optimizer.Groups = []pytorch.Group{plain, decay}
	return tensors, ck, nil
}
