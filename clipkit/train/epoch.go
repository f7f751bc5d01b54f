package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/loader"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model/pixels"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/train/memory"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/train/watch"
)

// epoch trains from the state's batch to the end of its epoch or of the run.
func (j *Job) epoch(ctx context.Context) error {
	c, tokens := j.Config, j.Config.ContextLength
	first, own, err := c.step().Share(j.world())
	if err != nil {
		return err
	}
	if err := j.log("Start epoch %d", j.state.Epoch+1); err != nil {
		return err
	}
	j.skipped, j.bad = nil, map[[2]int64]bool{}
	l, err := loader.New(ctx, j.Train, loader.Config{
		BatchSize: c.computed().BatchSize, Filled: c.BatchSize, World: c.WorldSize, Accum: c.computed().AccumFreq, First: first, Count: own,
		Workers: c.Workers, Prefetch: c.prefetch(own, j.Model.Device.IsCPU()), Resolution: j.Model.Config.ImageResolution, ContextLength: tokens,
		Tokenizer: tokenizer.Default(), Seed: c.Seed, Epoch: j.state.Epoch, Start: j.state.Batch, Shuffle: true,
		Levels: j.levels(), SkipBudget: c.SkipBudget,
		OnSkip: func(p dataset.Pair, err error) {
			j.skipped = append(j.skipped, p)
			_ = j.told.Add(dataset.Label(j.Train, p.ImageID), err) // the loader keeps the budget
		},
	})
	if err != nil {
		return fmt.Errorf("epoch %d: %w", j.state.Epoch+1, err)
	}
	defer l.Close()
	defer memory.BoundGarbage(int64(own * c.computed().BatchSize * pixelsOf(j.Model.Config)))()
	j.Model.Device.PeakGFLOPS() // is measured now, and not in the time of the second step
	last := j.Now()
	for epoch := j.state.Epoch + 1; !j.finished() && j.state.Epoch < epoch; {
		began := j.Now()
		b, err := l.Next()
		if err == nil || ctx.Err() != nil {
			var stop bool
			if stop, err = j.boundary(ctx); stop && err == nil {
				return j.interrupted(ctx)
			}
		}
		if err != nil {
			return j.ended(fmt.Errorf("epoch %d, batch %d: %w", j.state.Epoch+1, j.state.Batch+1, err))
		}
		loaded := j.Now()
		lr := c.learningRate(j.state.Step, j.perRun)
		j.stepper.Passed = j.passed(loaded)
		pictures, captions := j.rows(b)
		res, err := j.stepper.StepOn(ctx, pixels.Pictures{Levels: b.Levels}, b.IDs, pictures, lr, c.Seed)
		if errors.Is(err, step.ErrStopped) {
			return j.interrupted(ctx)
		}
		if errors.Is(err, ErrDiverged) {
			if err = j.leaveOut(pictures, err); err != nil {
				return known{err}
			}
		} else if err == nil {
			err = j.watch(b, res, pictures, captions)
		}
		if err != nil {
			j.note(err.Error())
			if errors.Is(err, ErrDiverged) {
				return known{err}
			}
			return err
		}
		j.state.Step++
		j.state.Batch++
		j.state.Samples += int64(c.perStep())
		if j.state.Batch == j.perPass {
			j.state.Epoch, j.state.Batch = epoch, 0
		}
		done := j.Now()
		j.pace.Add(watch.Took(began, done))
		row := experiment.Row{
			Kind: "train", Step: j.state.Step, Epoch: epoch, Samples: j.state.Samples,
			Loss: res.Loss, ImageToTextAcc: 100 * res.ImageToTextAcc, TextToImageAcc: 100 * res.TextToImageAcc, LR: lr, LogitScale: res.LogitScale,
			DataTime: watch.Took(last, loaded).Seconds(), BatchTime: watch.Took(last, done).Seconds(),
		}
		row.ImagesPerSecond = float64(c.perStep()) / row.BatchTime
		row.PeakShare = j.Model.Device.ShareOfPeak(row.ImagesPerSecond * c.Work(j.Model.Config, tokens, false) / 1e9 / float64(j.world().Size()))
		last = done
		if err := j.after(ctx, row, j.state.Epoch == epoch); err != nil {
			return err
		}
		if stop, err := exchange.AnyDone(ctx, j.world()); err != nil {
			return err
		} else if stop {
			return j.interrupted(ctx)
		}
	}
	return nil
}

// rows are the pictures and captions of a batch.
func (j *Job) rows(b *loader.Batch) (pictures []int64, captions []string) {
	for _, p := range b.Pairs {
		pictures, captions = append(pictures, j.pairs[p].ImageID), append(captions, j.pairs[p].Text)
	}
	return pictures, captions
}

// watch looks at what a step saw and gave, before it counts.
func (j *Job) watch(b *loader.Batch, res step.Result, pictures []int64, captions []string) error {
	c, at := j.Config, j.state.Step+1
	if b.Truncated > 0 && !j.saidTruncated {
		j.saidTruncated = true
		j.Say(fmt.Sprintf("longer than context_length %d, so cut: %d of the %d captions of batch %d", c.ContextLength, b.Truncated, len(b.Pairs), b.Index+1))
	}
	if text := j.repeats.In(at, pictures, captions); text != "" && !c.MultiPositive {
		j.Say(text)
	}
	if res.Skipped {
		j.Say(fmt.Sprintf("step %d was left out: its gradients overflow float16; the loss scale is now %g", at, j.stepper.LossScale().Factor))
	}
	if median, spiked := j.guard.Spiked(res.Loss, c.SpikeFactor); spiked {
		last := "there is no checkpoint yet"
		if j.saved >= 0 {
			last = fmt.Sprintf("the last checkpoint, of step %d, is from before it", j.saved)
		}
		return fmt.Errorf("step %d: %w: loss is %.4g, more than %v times the median %.4g of the last %d; %s. "+
			"Lower the learning rate or look at the data, and start a run of another name, with resume at that checkpoint",
			at, ErrDiverged, res.Loss, c.SpikeFactor, median, j.guard.Kept(), last)
	}
	j.guard.Add(res.Loss)
	if c.Loss == "siglip" || c.KDLossWeight > 0 {
		return nil // their chance level is another
	}
	if text, stuck := j.guard.Stuck(c.perStep()); stuck {
		j.Say(text)
		j.note(text)
	}
	return nil
}

// leaveOut takes note of a step whose loss is not a number, with its pictures. The model is as it was: within the budget the run goes on.
func (j *Job) leaveOut(pictures []int64, why error) error {
	var names []string
	for _, id := range pictures {
		names = append(names, dataset.Label(j.Train, id))
	}
	j.note(fmt.Sprintf("%v; its pictures: %s", why, strings.Join(names, ", ")))
	const shown = 10
	if len(names) > shown {
		names = append(names[:shown], fmt.Sprintf("and %d more, which metrics.jsonl names", len(names)-shown))
	}
	j.state.NaNSteps++
	if j.state.NaNSteps > j.Config.NaNBudget {
		return fmt.Errorf("%w; the pictures of the step: %s; nan_budget leaves out such steps (now %d)", why, strings.Join(names, ", "), j.Config.NaNBudget)
	}
	j.Say(fmt.Sprintf("%v; it is left out, number %d of at most %d; its pictures: %s", why, j.state.NaNSteps, j.Config.NaNBudget, strings.Join(names, ", ")))
	return nil
}

// after records a step, and validates and saves when it is time.
func (j *Job) after(ctx context.Context, row experiment.Row, endOfEpoch bool) error {
	c, step, final := j.Config, row.Step, row.Step == j.perRun
	every := func(interval, n int) bool { return interval > 0 && n%interval == 0 }
	if (every(c.LogInterval, step) || step == 1 || final) && !math.IsNaN(row.Loss) && !math.IsInf(row.Loss, 0) { // of a step that was left out there is a note
		if err := j.record(row); err != nil {
			return err
		}
		seen := (step-1)%j.perPass + 1
		err := j.log("Global Steps: %d/%d | Train Epoch: %d [%d/%d (%.0f%%)] | Loss: %.6f | Image2Text Acc: %.2f | Text2Image Acc: %.2f | "+
			"Data Time: %.3fs | Batch Time: %.3fs | LR: %5f | logit_scale: %.3f | Global Batch Size: %d",
			step, j.perRun, row.Epoch, seen*c.perStep(), j.perPass*c.perStep(), 100*float64(seen)/float64(j.perPass), row.Loss,
			row.ImageToTextAcc, row.TextToImageAcc, row.DataTime, row.BatchTime, row.LR, row.LogitScale, c.perStep())
		if err != nil {
			return err
		}
	}
	j.tell(Progress{Row: row})
	validates := c.ValidEpochInterval > 0 || c.ValidStepInterval > 0 || c.BestMetric != "" // else it is switched off at the end too
	if j.Validate != nil && (final && validates || every(c.ValidStepInterval, step) || endOfEpoch && every(c.ValidEpochInterval, row.Epoch)) {
		if err := j.validate(ctx, row); err != nil {
			return err
		}
	}
	due := every(c.SaveStepInterval, step) || endOfEpoch && every(c.SaveEpochInterval, row.Epoch)
	byTime := false
	if c.SaveMinutes > 0 && !due && !j.finished() { // by one clock: then all say the same of the newest checkpoint
		var err error
		if byTime, err = exchange.Any(j.world(), j.writes() && j.Now().Sub(j.savedAt).Minutes() >= c.SaveMinutes); err != nil {
			return err
		}
	}
	if !due && !byTime {
		return nil
	}
	j.state.ByTime = byTime
	err := j.save()
	j.state.ByTime, j.savedAt = false, j.Now()
	return err
}

// makeUp does the validation in which the run was interrupted.
func (j *Job) makeUp(ctx context.Context) error {
	_, scale, err := j.Model.Get("logit_scale")
	if err != nil {
		return err
	}
	j.state.Unvalidated = false
	if err := j.validate(ctx, experiment.Row{Step: j.state.Step, Epoch: j.lastEpoch(), Samples: j.state.Samples, LogitScale: float64(scale[0])}); err != nil {
		return err
	}
	if stop, err := exchange.AnyDone(ctx, j.world()); err != nil {
		return err
	} else if stop {
		return j.interrupted(ctx)
	}
	return j.save()
}

// validate measures the model after a step. When ctx ends it on any process, the state remembers that this is still to be done.
func (j *Job) validate(ctx context.Context, at experiment.Row) error {
	if err := j.log("Begin to eval on validation set (epoch %d @ %d steps)...", at.Epoch, at.Step); err != nil {
		return err
	}
	row, err := j.Validate(ctx)
	stopped, asked := exchange.Any(j.world(), err != nil && ctx.Err() != nil)
	if asked != nil {
		return errors.Join(err, asked)
	}
	if stopped {
		j.state.Unvalidated = true
		return nil // the caller saves and stops
	}
	if err != nil {
		err = fmt.Errorf("validation at step %d: %w", at.Step, err)
	}
	if err := j.agree(err); err != nil {
		return err
	}
	if err := exchange.ShareJSON(j.world(), &row); err != nil {
		return fmt.Errorf("validation at step %d: %w", at.Step, err)
	}
	row.Kind, row.Step, row.Epoch, row.Samples, row.LogitScale = "valid", at.Step, at.Epoch, at.Samples, at.LogitScale
	err = j.log("Validation Result (epoch %d @ %d steps) | Valid Loss: %.6f | Image2Text Acc: %.2f | Text2Image Acc: %.2f | logit_scale: %.3f | Valid Batch Size: %d",
		row.Epoch, row.Step, row.Loss, row.ImageToTextAcc, row.TextToImageAcc, row.LogitScale, j.Config.ValidBatchSize)
	if err != nil {
		return err
	}
	if row.LeftOut > 0 {
		if err := j.log("%d pictures of the validation set cannot be read, and are in none of these figures", row.LeftOut); err != nil {
			return err
		}
	}
	j.tell(Progress{Row: row})
	if err := j.record(row); err != nil {
		return err
	}
	return j.judge(row)
}

// Augments are the values of Config.Augment.
var Augments = map[string]imaging.Augment{"none": {}, "crop": {Ratio: imaging.Reference.Ratio}, "drawings": imaging.Drawings, "recoloured": imaging.Recoloured, "redrawn": imaging.Redrawn, "reshaped": imaging.Reshaped, "reference": imaging.Reference}

// levels is how a picture becomes pixels.
func (j *Job) levels() func(context.Context, []byte, *rand.Rand) ([]uint8, error) {
	size := j.Model.Config.ImageResolution
	if j.Config.Augment == "none" {
		return func(ctx context.Context, encoded []byte, _ *rand.Rand) ([]uint8, error) {
			return imaging.TransformLevels(ctx, encoded, size)
		}
	}
	a := Augments[j.Config.Augment]
	a.Scale = j.Config.CropScale
	return func(ctx context.Context, encoded []byte, rng *rand.Rand) ([]uint8, error) {
		return a.TransformLevels(ctx, encoded, size, rng)
	}
}
