package train

import (
	"context"
	"errors"
	"fmt"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train/lossscale"
)

// The processes of a run (Job.World) do the same and decide alike: what one of them sees, all hear of before they act on it. An error that
// all know of is returned by all; one of a single process ends the others too (exchange.World.Abort).

func (j *Job) world() exchange.World {
	if j.World == nil {
		return exchange.Alone
	}
	return j.World
}

// writes tells whether this process is the one that writes files.
func (j *Job) writes() bool { return j.world().Rank() == 0 }

// log and record write a line and a row of the run, on one process.
func (j *Job) log(format string, a ...any) error {
	if !j.writes() {
		return nil
	}
	return j.unlessFull(j.Run.Log(format, a...))
}

func (j *Job) record(row experiment.Row) error {
	if !j.writes() {
		return nil
	}
	return j.unlessFull(j.Run.Append(row))
}

// known is an error that every process of the world returns.
type known struct{ error }

func (k known) Unwrap() error { return k.error }

// agree has all processes go on, or none (exchange.Agree). All have to call it.
func (j *Job) agree(mine error) error {
	err := exchange.Agree(j.world(), mine)
	if err == nil || errors.Is(err, exchange.ErrUntold) {
		return err
	}
	return known{err}
}

// position is where a run begins, for those who do not read it from the disk.
type position struct {
	State   checkpoint.State
	Saved   int
	Loaded  bool // a model or an optimizer's state
	Rebased bool // LoRA's matrices are those of the loaded model
	Updates int
	Scale   lossscale.State
}

// resumeTogether resumes on rank 0, and gives all others what it found: they need no disk of its.
func (j *Job) resumeTogether() error {
	var err error
	if j.writes() {
		err = j.resume()
	}
	if err := j.agree(err); err != nil {
		return err
	}
	w := j.world()
	if w.Size() == 1 {
		return nil
	}
	at := position{State: j.state, Saved: j.saved, Loaded: j.loaded, Rebased: j.rebased, Updates: j.stepper.Updates(), Scale: j.stepper.LossScale()}
	if err := exchange.ShareJSON(w, &at); err != nil {
		return err
	}
	j.state, j.saved = at.State, at.Saved
	if !at.Loaded {
		return nil
	}
	shared := func(name string) (shape []int, values []float32, err error) {
		if shape, values, err = j.Model.Get(name); err == nil {
			err = exchange.Share(w, values, 0)
		}
		return shape, values, err
	}
	for _, t := range j.Model.Config.Tensors() {
		shape, values, err := shared(t.Name)
		if err == nil && w.Rank() != 0 {
			err = j.Model.Set(t.Name, shape, values)
		}
		if err != nil {
			return err
		}
	}
	if at.Rebased && w.Rank() != 0 {
		if err := j.stepper.Rebase(); err != nil {
			return err
		}
	}
	if err := j.stepper.SetLossScale(at.Scale); err != nil {
		return err
	}
	return j.stepper.SetMoments(at.Updates, shared)
}

// boundary is between two steps, where all processes look at what each of them met: one that was told to stop stops all, and the budget of bad
// pairs is one for all.
func (j *Job) boundary(ctx context.Context) (stop bool, err error) {
	w := j.world()
	if w.Size() == 1 {
		return ctx.Err() != nil, nil
	}
	mine := []int64{0, int64(len(j.skipped))} // in one message with what exchange.AnyDone asks
	if ctx.Err() != nil {
		mine[0] = 1
	}
	all, err := exchange.Gather(w, mine)
	if err != nil {
		return false, err
	}
	most := int64(0)
	for rank := range w.Size() {
		stop, most = stop || all[2*rank] != 0, max(most, all[2*rank+1])
	}
	if most == 0 {
		return stop, nil
	}
	ids := make([]int64, 2*most) // picture and text of each
	for i, p := range j.skipped {
		ids[2*i], ids[2*i+1] = p.ImageID, p.TextID
	}
	j.skipped = nil
	every, err := exchange.Gather(w, ids)
	if err != nil {
		return false, err
	}
	for rank := range w.Size() {
		for i := range all[2*rank+1] {
			at := 2 * (int64(rank)*most + i)
			j.bad[[2]int64{every[at], every[at+1]}] = true
			if rank != w.Rank() {
				_ = j.told.Add(dataset.Label(j.Train, every[at]), fmt.Errorf("process %d cannot read it", rank))
			}
		}
	}
	if len(j.bad) > j.Config.SkipBudget {
		return stop, known{fmt.Errorf("epoch %d, batch %d: %d pairs of %s are bad, with a budget of %d for all processes; repair them or take them out (package dataset/check finds them), or raise the budget",
			j.state.Epoch+1, j.state.Batch+1, len(j.bad), j.Train.Name(), j.Config.SkipBudget)}
	}
	return stop, nil
}
