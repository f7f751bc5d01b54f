package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/weights"
)

// ErrInterrupted is wrapped when the context ended a run; its state is saved.
var ErrInterrupted = errors.New("training interrupted")

// Job is one training run. Model is trained in place.
type Job struct {
	Model  *model.Model
	Train  dataset.Source
	Config Config
	Run    *experiment.Run

	// Teacher, when Config.KDLossWeight is positive, gives the image features that the student's are drawn to: EncodeImages of another model
	// of the same resolution. Their width is free.
	Teacher func(ctx context.Context, pixels []float32, n int) ([]float32, error)
	// Validate, when not nil, evaluates the model for a row of kind "valid"; the trainer fills in where the run stands.
	Validate func(ctx context.Context) (experiment.Row, error)
	// Progress, when not nil, is told after every step.
	Progress func(Progress)
	// Say, when not nil, receives what a person should read: resuming, skipped samples, damaged checkpoints.
	Say func(line string)
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	stepper *Stepper
	state   checkpoint.State
	perRun  int // steps in all
	perPass int // steps of an epoch
	saved   int // step of the newest checkpoint
}

// Progress is where a run stands after a step.
type Progress struct {
	Row       experiment.Row
	Steps     int           // in all
	Remaining time.Duration // at the recent speed
}

// Do trains to the end, from the newest checkpoint of the run's directory if there is one.
func (j *Job) Do(ctx context.Context) (err error) {
	if err := j.Config.Check(j.Model.Config); err != nil {
		return err
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	if j.Say == nil {
		j.Say = func(string) {}
	}
	pairs := len(dataset.Pairs(j.Train))
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
	if j.stepper, err = NewStepper(j.Model, j.Config); err != nil {
		return err
	}
	defer j.stepper.Close()
	if j.Teacher != nil {
		j.stepper.Teacher = func(pixels []float32, n int) ([]float32, error) { return j.Teacher(ctx, pixels, n) }
	}
	if j.Config.MaskRatio > 0 && j.Model.Config.IsResNet() {
		j.Say(fmt.Sprintf("mask_ratio %v has no effect: %s has no patches", j.Config.MaskRatio, j.Model.Config.Name))
	}
	j.state, j.saved = checkpoint.State{Arch: j.Model.Config}, -1
	if err := j.resume(); err != nil {
		return err
	}
	if j.state.Step == 0 {
		if err := j.Run.Log("%s contains %d images and %d pairs", j.Train.Name(), len(j.Train.ImageIDs()), pairs); err != nil {
			return err
		}
	}
	for j.state.Step < j.perRun {
		if err := j.epoch(ctx); err != nil {
			return err
		}
	}
	if j.saved != j.state.Step {
		return j.save()
	}
	return nil
}

// TotalSteps is the length of a run: MaxSteps, or the epochs' worth.
func TotalSteps(pairs int, c Config) int {
	if c.MaxSteps > 0 {
		return c.MaxSteps
	}
	return stepsPerEpoch(pairs, c) * c.MaxEpochs
}

// batches of an epoch, with the last one, which wraps around to the first pairs (SPEC §4.5).
func batches(pairs int, c Config) int { return (pairs + c.BatchSize - 1) / c.BatchSize }

// stepsPerEpoch leaves out batches at the end that do not fill a step (SPEC §5.6).
func stepsPerEpoch(pairs int, c Config) int { return batches(pairs, c) / max(1, c.AccumFreq) }

// perStep is the number of pairs in a step.
func (c Config) perStep() int { return c.BatchSize * max(1, c.AccumFreq) }

// epoch trains from the state's batch to the end of its epoch or of the run.
func (j *Job) epoch(ctx context.Context) error {
	c, tokens := j.Config, j.Config.ContextLength
	loader, err := dataset.NewLoader(ctx, j.Train, dataset.LoaderConfig{
		BatchSize: c.perStep(), Workers: c.Workers, Prefetch: 2 * c.Workers, Resolution: j.Model.Config.ImageResolution, ContextLength: tokens,
		Tokenizer: tokenizer.Default(), Seed: c.Seed, Epoch: j.state.Epoch, Start: j.state.Batch, Shuffle: true,
		Transform: j.transform(), SkipBudget: c.SkipBudget,
		OnSkip: func(p dataset.Pair, err error) { j.Say(fmt.Sprintf("skipped picture %d: %v", p.ImageID, err)) },
	})
	if err != nil {
		return fmt.Errorf("epoch %d: %w", j.state.Epoch+1, err)
	}
	defer loader.Close()
	peak := j.Model.Device.PeakGFLOPS()
	last := j.Now()
	for epoch := j.state.Epoch + 1; j.state.Step < j.perRun && j.state.Epoch < epoch; {
		b, err := loader.Next()
		if ctx.Err() != nil {
			return j.interrupted(ctx)
		}
		if err != nil {
			return fmt.Errorf("epoch %d, batch %d: %w", j.state.Epoch+1, j.state.Batch+1, err)
		}
		loaded := j.Now()
		lr := LearningRate(c.LR, j.state.Step, c.Warmup, j.perRun)
		res, err := j.stepper.Step(b.Images, b.IDs, c.perStep(), lr, c.Seed)
		if err != nil {
			j.note(err.Error())
			return err
		}
		j.state.Step++
		j.state.Batch++
		j.state.Samples += int64(c.perStep())
		if j.state.Batch == j.perPass {
			j.state.Epoch, j.state.Batch = epoch, 0
		}
		done := j.Now()
		row := experiment.Row{
			Kind: "train", Step: j.state.Step, Epoch: epoch, Samples: j.state.Samples,
			Loss: res.Loss, ImageToTextAcc: 100 * res.ImageToTextAcc, TextToImageAcc: 100 * res.TextToImageAcc, LR: lr, LogitScale: res.LogitScale,
			DataTime: loaded.Sub(last).Seconds(), BatchTime: done.Sub(last).Seconds(),
		}
		row.ImagesPerSecond = float64(c.perStep()) / row.BatchTime
		if peak > 0 {
			row.PeakShare = row.ImagesPerSecond * j.Model.Config.TrainFLOPs(tokens) / 1e9 / peak
		}
		last = done
		if err := j.after(ctx, row, j.state.Epoch == epoch); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return j.interrupted(ctx)
		}
	}
	return nil
}

// after records a step, and validates and saves when it is time.
func (j *Job) after(ctx context.Context, row experiment.Row, endOfEpoch bool) error {
	c, step, final := j.Config, row.Step, row.Step == j.perRun
	if step%c.LogInterval == 0 || step == 1 || final {
		if err := j.Run.Append(row); err != nil {
			return err
		}
		seen := (step-1)%j.perPass + 1
		err := j.Run.Log("Global Steps: %d/%d | Train Epoch: %d [%d/%d (%.0f%%)] | Loss: %.6f | Image2Text Acc: %.2f | Text2Image Acc: %.2f | "+
			"Data Time: %.3fs | Batch Time: %.3fs | LR: %5f | logit_scale: %.3f | Global Batch Size: %d",
			step, j.perRun, row.Epoch, seen*c.perStep(), j.perPass*c.perStep(), 100*float64(seen)/float64(j.perPass), row.Loss,
			row.ImageToTextAcc, row.TextToImageAcc, row.DataTime, row.BatchTime, row.LR, row.LogitScale, c.perStep())
		if err != nil {
			return err
		}
	}
	if j.Progress != nil {
		left := time.Duration(float64(j.perRun-step) * row.BatchTime * float64(time.Second))
		j.Progress(Progress{Row: row, Steps: j.perRun, Remaining: left})
	}
	every := func(interval, n int) bool { return interval > 0 && n%interval == 0 }
	if j.Validate != nil && (final || every(c.ValidStepInterval, step) || endOfEpoch && every(c.ValidEpochInterval, row.Epoch)) {
		if err := j.validate(ctx, row); err != nil {
			return err
		}
	}
	if every(c.SaveStepInterval, step) || endOfEpoch && every(c.SaveEpochInterval, row.Epoch) {
		return j.save()
	}
	return nil
}

func (j *Job) validate(ctx context.Context, at experiment.Row) error {
	row, err := j.Validate(ctx)
	if ctx.Err() != nil {
		return nil // the caller saves and stops
	}
	if err != nil {
		return fmt.Errorf("validation at step %d: %w", at.Step, err)
	}
	row.Kind, row.Step, row.Epoch, row.Samples, row.LogitScale = "valid", at.Step, at.Epoch, at.Samples, at.LogitScale
	err = j.Run.Log("Validation Result (epoch %d @ %d steps) | Valid Loss: %.6f | Image2Text Acc: %.2f | Text2Image Acc: %.2f | logit_scale: %.3f | Valid Batch Size: %d",
		row.Epoch, row.Step, row.Loss, row.ImageToTextAcc, row.TextToImageAcc, row.LogitScale, j.Config.ValidBatchSize)
	if err != nil {
		return err
	}
	if j.Progress != nil {
		j.Progress(Progress{Row: row, Steps: j.perRun})
	}
	return j.Run.Append(row)
}

// transform is how a picture becomes pixels.
func (j *Job) transform() func([]byte, *rand.Rand) ([]float32, error) {
	size := j.Model.Config.ImageResolution
	if j.Config.Augment == "none" {
		return func(encoded []byte, _ *rand.Rand) ([]float32, error) { return imaging.Transform(encoded, size) }
	}
	a := imaging.Reference
	a.Scale = j.Config.CropScale
	if j.Config.Augment == "crop" {
		a.Flip, a.AutoAugment = 0, false
	}
	return func(encoded []byte, rng *rand.Rand) ([]float32, error) { return a.Transform(encoded, size, rng) }
}

// interrupted saves what has been done and says how to go on.
func (j *Job) interrupted(ctx context.Context) error {
	if j.saved != j.state.Step {
		if err := j.save(); err != nil {
			return err
		}
	}
	j.note("interrupted")
	return fmt.Errorf("%w after step %d of %d; saved in %s: run it again to continue (%w)", ErrInterrupted, j.state.Step, j.perRun, j.Run.Dir, context.Cause(ctx))
}

func (j *Job) note(text string) {
	_ = j.Run.Log("%s", text) // what is noted is also said or returned
	_ = j.Run.Append(experiment.Row{Kind: "note", Step: j.state.Step, Epoch: j.state.Epoch + 1, Samples: j.state.Samples, Note: text})
}

func (j *Job) save() error {
	start := j.Now()
	params, err := Parts(j.Model)
	if err != nil {
		return err
	}
	var optimizer []weights.Tensor
	err = j.stepper.Moments(func(name string, shape []int, values []float32) error {
		optimizer = append(optimizer, weights.F32(name, shape, values))
		return nil
	})
	if err != nil {
		return fmt.Errorf("saving the optimizer: %w", err)
	}
	path, err := checkpoint.Save(j.Run.Checkpoints(), j.state, params, optimizer)
	if err != nil {
		return err
	}
	j.saved = j.state.Step
	err = j.Run.Log("Saved checkpoint %s (epoch %d @ %d steps) (writing took %.2f seconds)", path, j.state.Epoch, j.state.Step, j.Now().Sub(start).Seconds())
	if err != nil {
		return err
	}
	return checkpoint.Prune(j.Run.Checkpoints(), j.Config.KeepCheckpoints)
}

// Parts copies a model's whole state dict out, in its order.
func Parts(m *model.Model) ([]weights.Tensor, error) {
	var parts []weights.Tensor
	for _, t := range m.Config.Tensors() {
		_, values, err := m.Get(t.Name)
		if err != nil {
			return nil, err
		}
		if t.Int64 {
			parts = append(parts, weights.I64(t.Name, int64(values[0])))
			continue
		}
		parts = append(parts, weights.F32(t.Name, t.Shape, values))
	}
	return parts, nil
}

// resume puts model, optimizer and state where the newest whole checkpoint left them.
func (j *Job) resume() error {
	path, err := checkpoint.Latest(j.Run.Checkpoints(), j.Say)
	if errors.Is(err, checkpoint.ErrNone) {
		return j.Run.Rewind(0)
	}
	if err != nil {
		return err
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	if err := weights.Load(j.Model, j.Model.Config, c.Model); err != nil {
		return err
	}
	err = j.stepper.SetMoments(c.State.Step, func(name string) ([]int, []float32, error) {
		t, err := c.Optimizer.Tensor(name)
		if err != nil {
			return nil, nil, err
		}
		v, err := t.Float32()
		return t.Shape, v, err
	})
	if err != nil {
		return fmt.Errorf("resuming from %s: %w", path, err)
	}
	j.state, j.saved = c.State, c.State.Step
	if err := j.Run.Rewind(j.state.Step); err != nil {
		return err
	}
	if j.state.Step >= j.perRun {
		j.Say(fmt.Sprintf("%s is finished (%d steps): loading its result; choose another Name to train again", j.Run.Dir, j.perRun))
		return nil
	}
	j.Say(fmt.Sprintf("continuing %s after step %d of %d", j.Run.Dir, j.state.Step, j.perRun))
	j.note(fmt.Sprintf("resumed after step %d", j.state.Step))
	return nil
}
