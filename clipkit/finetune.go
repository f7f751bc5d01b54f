package clipkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights/pytorch"
)

// Run is a finished or interrupted training run on disk.
type Run struct {
	Dir  string
	Rows []experiment.Row // metrics.jsonl: what the charts read
}

// settings is what a run directory is bound to: a run continues only where all of it is the same.
type settings struct {
	train.Config
	Model   arch.Config `json:"model"`
	Weights string      `json:"initial_weights"` // where they came from
	Sum     string      `json:"initial_weights_sha256"`
	Data    string      `json:"data"`
	Pairs   int         `json:"pairs"`
	Teacher string      `json:"teacher_sha256,omitempty"`
}

// Finetune trains m in place on data.Train and keeps everything under experiments/<cfg.Name>. Where that run exists with the same
// settings, data and initial weights it continues, or just loads the result when it was finished, and says which; where it exists with
// others, it is left alone and the error asks for another name. Ctrl-C, a notebook's interrupt and ctx save a checkpoint first.
// In a notebook loss and accuracy are drawn meanwhile.
func Finetune(ctx context.Context, m *Model, data *dataset.Dataset, cfg train.Config, opts ...Option) (*Run, error) {
	o, err := chosen("Finetune", finetuning, opts)
	if err != nil {
		return nil, err
	}
	if data.Train == nil {
		return nil, fmt.Errorf("finetuning on %s: it has no train split", data.Name)
	}
	if err := cfg.Check(m.Towers.Config); err != nil {
		return nil, err
	}
	s, err := bind(m, data, cfg, o.teacher)
	if err != nil {
		return nil, err
	}
	run, err := experiment.Open(repo.Experiments(), cfg.Name, s, time.Now)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	if run.New {
		if err := logContents(run, data); err != nil {
			return nil, err
		}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	bar, charts := progress.New(os.Stderr, "training", train.TotalSteps(s.Pairs, cfg)), newLive(run.Dir)
	job := train.Job{Model: m.Towers, Train: data.Train, Config: cfg, Run: run, Memory: o.memory, Say: say}
	job.Progress = func(at train.Progress) {
		if at.Row.Kind == "train" {
			bar.Describe(training(at.Row))
			bar.Of(at.Row.Step, 0)
		}
		charts.add(at.Row)
	}
	if o.teacher != nil {
		job.Teacher = o.teacher.Towers.EncodeImages
	}
	if data.Valid != nil {
		job.Validate = func(ctx context.Context) (experiment.Row, error) { return validate(ctx, m, data.Valid, cfg) }
	}
	err = job.Do(ctx)
	bar.Finish()
	charts.finish()
	if err != nil {
		return nil, errors.Join(err, freeName(run, err))
	}
	m.name, m.source = cfg.Name, run.Dir
	if m.again, err = filepath.Abs(run.Dir); err != nil {
		return nil, err
	}
	return OpenRun(cfg.Name)
}

// bind gathers what the run will be bound to.
func bind(m *Model, data *dataset.Dataset, cfg train.Config, teacher *Model) (s settings, err error) {
	s = settings{Config: cfg, Model: m.Towers.Config, Weights: m.source, Data: data.Name, Pairs: len(dataset.Pairs(data.Train))}
	switch {
	case teacher == nil && cfg.KDLossWeight > 0:
		return s, fmt.Errorf("%w: kd_loss_weight is %v, want a teacher with it: Finetune(…, clipkit.Teacher(other))", train.ErrConfig, cfg.KDLossWeight)
	case teacher != nil && cfg.KDLossWeight == 0:
		return s, fmt.Errorf("%w: kd_loss_weight is 0, want a positive number (the reference's is 0.5) with a teacher", train.ErrConfig)
	case teacher != nil && teacher.Towers.Config.ImageResolution != m.Towers.Config.ImageResolution:
		return s, fmt.Errorf("%w: the teacher %s sees pictures of %d pixels, want %d, as the student",
			train.ErrConfig, teacher.source, teacher.Towers.Config.ImageResolution, m.Towers.Config.ImageResolution)
	}
	if s.Sum, err = m.Towers.Fingerprint(); err == nil && teacher != nil {
		s.Teacher, err = teacher.Towers.Fingerprint()
	}
	return s, err
}

// logContents writes the reference's lines about what the run trains and validates on.
func logContents(run *experiment.Run, data *dataset.Dataset) error {
	if err := run.Log("%s", dataset.Contents("train", data.Train)); err != nil || data.Valid == nil {
		return err
	}
	return run.Log("%s", dataset.Contents("val", data.Valid))
}

// freeName lets go of the name of a run that was refused before its first step, so that the run can be started under it with corrected settings.
func freeName(run *experiment.Run, err error) error {
	rows, readErr := experiment.ReadRows(run.Dir)
	if !run.New || len(rows) > 0 || readErr != nil || !errors.Is(err, train.ErrMemory) && !errors.Is(err, train.ErrConfig) {
		return nil
	}
	return os.Remove(filepath.Join(run.Dir, "config.json"))
}

// OpenRun reads a run under experiments/, to chart it in another cell.
func OpenRun(name string) (*Run, error) {
	dir, err := repo.Run(name)
	if err != nil {
		return nil, err
	}
	rows, err := experiment.ReadRows(dir)
	if err != nil {
		return nil, err
	}
	return &Run{Dir: dir, Rows: rows}, nil
}

// validate is what the trainer records at an epoch's end: the reference's in-batch figures and true recall.
func validate(ctx context.Context, m *Model, valid dataset.Source, cfg train.Config) (experiment.Row, error) {
	return eval.Validate(ctx, exchange.Alone, m.Towers, valid, eval.Validation{
		ContextLength: cfg.ContextLength, BatchSize: cfg.ValidBatchSize, Ranks: cfg.WorldSize, Seed: cfg.Seed,
	})
}

// Export writes the run's newest checkpoint as a .pt with which the reference's training goes on (--resume):
// weights, AdamW's moments, epoch and step.
func (r *Run) Export(path string) error {
	c, err := checkpoint.Find(r.Dir, say)
	if err != nil {
		return err
	}
	defer c.Close()
	var s settings
	if err := experiment.ReadConfig(r.Dir, &s); err != nil {
		return err
	}
	tensors, ck, err := train.ReferenceCheckpoint(c, s.Config)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", c.Path, err)
	}
	return pytorch.Write(path, tensors, ck)
}
