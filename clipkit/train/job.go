package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/hccl"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/train/watch"
)

// ErrInterrupted is wrapped when the context ended a run; its state is saved.
var ErrInterrupted = errors.New("training interrupted")

// Job is one training run. Model is trained in place.
type Job struct {
	Model  *model.Model
	Train  dataset.Source
	Config Config
	Run    *experiment.Run

	// World is the processes that share the run; nil: this one alone. Each has a Job of its own with the same of everything; only that of rank 0 needs
	// Run, and reads and writes it. Config.WorldSize × AccumFreq has to be a multiple of their number.
	World exchange.World

	// Teacher, when Config.KDLossWeight is positive, gives the image features that the student's are drawn to: EncodeImages of another model
	// of the same resolution. Their width is free.
	Teacher func(ctx context.Context, pixels []float32, n int) ([]float32, error)
	// Validate, when not nil, evaluates the model for a row of kind "valid"; the trainer fills in where the run stands. All processes call it at the same
	// time, so that they may share the work; the row of rank 0 counts.
	Validate func(ctx context.Context) (experiment.Row, error)
	// Progress, when not nil, is told after every step and validation, within a step that takes long after each micro-batch, and by Validating.
	Progress func(Progress)
	// Say, when not nil, receives what a person should read: resuming, skipped samples, damaged checkpoints.
	Say func(line string)
	// Memory is how many bytes the run may take besides the model; 0: what the machine has free, negative: do not ask.
	Memory int64
	// Disk is how many bytes the run's checkpoints may take; 0: what its file system has free, negative: do not ask.
	Disk int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	stepper       *step.Stepper
	state         checkpoint.State
	pairs         []dataset.Pair
	perRun        int       // steps in all
	perPass       int       // steps of an epoch
	first         int       // step at which this process began
	saved         int       // step of the newest checkpoint, -1 = there is none
	savedAt       time.Time // when the run began, or last saved on its way
	guard         watch.Loss
	repeats       watch.Repeats
	pace          watch.Pace
	saidTruncated bool // captions that are too long
	saidFull      bool // that the disk does not take the run's rows

	loaded, rebased bool              // resume took a model; it is what LoRA adds to
	told            *dataset.Skipped  // pictures that a person was told of: each once in a run, not in every epoch
	skipped         []dataset.Pair    // bad ones that this process met since the last step
	bad             map[[2]int64]bool // those of all processes in this epoch, when there are several: picture, text
}

// Progress is where a run stands: after a step or a validation with its Row, within a step with the Pass that is done and no Row.
type Progress struct {
	Row       experiment.Row
	Pass      step.Pass
	Steps     int           // in all
	Remaining time.Duration // of the steps, at the speed of the last ones; 0 = not known yet
}

// Do trains to the end, from the newest checkpoint of the run's directory if there is one. An error is the same on all processes, or it ended the
// others (exchange.World.Abort).
func (j *Job) Do(ctx context.Context) error {
	err := j.do(ctx)
	if err == nil {
		return nil
	}
	if all := (known{}); errors.As(err, &all) {
		return all.error
	}
	j.world().Abort(err)
	return err
}

func (j *Job) do(ctx context.Context) (err error) {
	if err := j.agree(j.prepare()); err != nil {
		return err
	}
	if err := j.compare(); err != nil {
		return err
	}
	here, err := exchange.Gather(j.world(), []int64{int64(j.world().Local())})
	if err != nil {
		return err
	}
	if err := j.agree(j.fitsMemory(1 + int(slices.Max(here)))); err != nil {
		return err
	}
	j.stepper, err = step.New(j.Model, j.Config.step())
	if err == nil {
		defer j.stepper.Close()
	}
	if err := j.agree(err); err != nil {
		return err
	}
	j.stepper.World = j.World
	cards, err := hccl.Over(j.world(), j.Model.Device.Card())
	if err := j.agree(err); err != nil {
		return err
	}
	if cards != nil {
		defer cards.Close()
		j.stepper.World = cards
	}
	if j.Teacher != nil {
		j.stepper.Teacher = j.Teacher
	}
	j.guard, j.repeats, j.pace, j.saidTruncated, j.loaded, j.rebased = watch.Loss{}, watch.Repeats{}, watch.Pace{}, false, false, false
	j.state, j.saved = checkpoint.State{Arch: j.Model.Config}, -1
	if err := j.resumeTogether(); err != nil {
		return err
	}
	j.first = j.state.Step
	if err := j.greet(); err != nil {
		return err
	}
	if j.state.Unvalidated && j.Validate != nil {
		if err := j.makeUp(ctx); err != nil {
			return err
		}
	}
	j.savedAt = j.Now()
	for !j.finished() {
		if stop, err := exchange.AnyDone(ctx, j.world()); err != nil {
			return err
		} else if stop { // before the device's peak is measured and pictures are read
			return j.interrupted(ctx)
		}
		if err := j.epoch(ctx); err != nil {
			return err
		}
	}
	if c := j.Config; j.state.Step == c.MaxSteps && j.state.Step > j.first && j.writes() {
		text := fmt.Sprintf("stopping: step %d has reached max_steps, in epoch %d", c.MaxSteps, j.lastEpoch())
		j.Say(text)
		if err := j.log("%s", text); err != nil {
			return err
		}
	}
	if j.saved != j.state.Step {
		err = j.saveNow()
	}
	return j.agree(err) // all end together, when everything is on the disk
}

// prepare checks what the job was given.
func (j *Job) prepare() error {
	if err := j.Config.Check(j.Model.Config); err != nil {
		return err
	}
	if _, _, err := j.Config.step().Share(j.world()); err != nil {
		return err
	}
	if dev := j.Model.Device; dev.Many != nil && j.world().Size() > 1 {
		return fmt.Errorf("%w: %d processes share the run, and each would drive the devices of %s: give each process one", ErrConfig, j.world().Size(), dev)
	}
	if err := j.Config.step().CheckOn(j.Model.Device, j.Model.Config, j.Config.BatchSize); err != nil {
		return err
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	if j.Say == nil {
		j.Say = func(string) {}
	}
	j.told = &dataset.Skipped{Budget: math.MaxInt, Say: j.Say}
	if j.Train == nil {
		return fmt.Errorf("%w: there is no data to train on", ErrConfig)
	}
	j.pairs = dataset.Pairs(j.Train)
	pairs := len(j.pairs)
	if pairs == 0 {
		return fmt.Errorf("%w: %s has no pairs to train on", ErrConfig, j.Train.Name())
	}
	j.perPass = stepsPerEpoch(pairs, j.Config)
	j.perRun = TotalSteps(pairs, j.Config)
	if j.perPass == 0 {
		return fmt.Errorf("%w: accum_freq is %d, want at most %d, the batches of an epoch of %d pairs", ErrConfig, j.Config.AccumFreq, batches(pairs, j.Config), pairs)
	}
	if j.Config.KDLossWeight > 0 && j.Teacher == nil {
		return fmt.Errorf("%w: kd_loss_weight is %v, want a Job.Teacher with it", ErrConfig, j.Config.KDLossWeight)
	}
	if j.Config.BestMetric != "" && j.Validate == nil {
		return fmt.Errorf("%w: best_metric is %q, want a Job.Validate (a valid split) with it", ErrConfig, j.Config.BestMetric)
	}
	return nil
}

// greet says what a person should know before a run begins.
func (j *Job) greet() error {
	if !j.writes() {
		return nil
	}
	if j.Model.Config.IsResNet() && j.Config.MaskRatio > 0 {
		j.Say(fmt.Sprintf("mask_ratio %v has no effect: %s has no patches", j.Config.MaskRatio, j.Model.Config.Name))
	}
	if !j.Model.Config.IsResNet() && j.Config.UseBNSync {
		j.Say(fmt.Sprintf("use_bn_sync has no effect: %s has no BatchNorm", j.Model.Config.Name))
	}
	if err := j.fitsDisk(); err != nil {
		return err
	}
	if j.state.Step > 0 {
		return nil
	}
	scale, err := j.Model.LogitScale()
	if err != nil {
		return err
	}
	across := j.Config.BatchSize * max(1, j.Config.WorldSize)
	if text := watch.Filled(len(j.pairs), batches(len(j.pairs), j.Config), across, j.perPass, max(1, j.Config.AccumFreq)); text != "" {
		j.Say(text)
	}
	for _, line := range j.Config.notices(len(j.pairs), scale > 95) {
		j.Say(line)
	}
	return nil
}

// finished is at the last step, or where the run stopped early.
func (j *Job) finished() bool { return j.state.Step >= j.perRun || j.state.Stopped != "" }

// TotalSteps is the length of a run: MaxSteps, or the epochs' worth.
func TotalSteps(pairs int, c Config) int {
	if c.MaxSteps > 0 {
		return c.MaxSteps
	}
	return stepsPerEpoch(pairs, c) * c.MaxEpochs
}

// batches of an epoch on each rank, with the last ones, which wrap around to the first pairs (cn_clip/training/data.py:118).
func batches(pairs int, c Config) int {
	across := c.BatchSize * max(1, c.WorldSize)
	return (pairs + across - 1) / across
}

// stepsPerEpoch leaves out batches at the end that do not fill a step (cn_clip/training/train.py:154).
func stepsPerEpoch(pairs int, c Config) int { return batches(pairs, c) / max(1, c.AccumFreq) }

// perStep is the number of pairs in a step.
func (c Config) perStep() int { return c.BatchSize * max(1, c.WorldSize) * max(1, c.AccumFreq) }
