package clipkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
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
}

// Finetune trains m in place on data.Train and keeps everything under experiments/<cfg.Name>. Where that run exists with the same
// settings, data and initial weights it continues, or just loads the result when it was finished; where it exists with others, it
// is left alone and the error asks for another name. Ctrl-C, a notebook's interrupt and ctx save a checkpoint first.
func Finetune(ctx context.Context, m *Model, data *dataset.Dataset, cfg train.Config) (*Run, error) {
	if data.Train == nil {
		return nil, fmt.Errorf("finetuning on %s: it has no train split", data.Name)
	}
	if err := cfg.Check(m.Config); err != nil {
		return nil, err
	}
	sum, err := fingerprint(m)
	if err != nil {
		return nil, err
	}
	pairs := len(dataset.Pairs(data.Train))
	s := settings{Config: cfg, Model: m.Config, Weights: m.Source, Sum: sum, Data: data.Name, Pairs: pairs}
	run, err := experiment.Open(experiments(), cfg.Name, s, time.Now)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	bar := newProgress("training", train.TotalSteps(pairs, cfg))
	job := train.Job{Model: m.Model, Train: data.Train, Config: cfg, Run: run, Progress: bar.train, Say: say}
	if data.Valid != nil {
		job.Validate = func(ctx context.Context) (experiment.Row, error) { return validate(ctx, m, data.Valid, cfg) }
	}
	err = job.Do(ctx)
	bar.finish()
	if err != nil {
		return nil, err
	}
	m.Source = run.Dir
	return OpenRun(cfg.Name)
}

// OpenRun reads a run under experiments/, to chart it in another cell.
func OpenRun(name string) (*Run, error) {
	dir, err := runDir(name)
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
	f, err := eval.Extract(ctx, m.Model, valid, cfg.ContextLength, nil)
	if err != nil {
		return experiment.Row{}, err
	}
	rep, err := eval.Retrieval(f, valid.Texts())
	if err != nil {
		return experiment.Row{}, err
	}
	row := experiment.Row{TextToImage: &rep.TextToImage, ImageToText: &rep.ImageToText}
	scale, err := m.LogitScale()
	if err != nil {
		return row, err
	}
	pairs := dataset.Pairs(valid)
	order := dataset.Order(cfg.Seed, 0, len(pairs), cfg.ValidBatchSize, 1, 0)
	row.Loss, row.ImageToTextAcc, row.TextToImageAcc, err = eval.InBatch(f, pairs, order, cfg.ValidBatchSize, scale)
	return row, err
}

// fingerprint is the SHA-256 of all parameters.
func fingerprint(m *Model) (string, error) {
	parts, err := train.Parts(m.Model)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if err := weights.EncodeSafetensors(h, parts, nil); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
