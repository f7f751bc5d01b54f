package clipkit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// EvaluateRetrieval encodes a split and gives Recall@1/5/10 and their mean, text→image and image→text, in percent.
func EvaluateRetrieval(ctx context.Context, m *Model, split dataset.Source) (*eval.Report, error) {
	f, err := extract(ctx, m, split)
	if err != nil {
		return nil, err
	}
	rep, err := eval.Retrieval(f, split.Texts())
	if err != nil {
		return nil, err
	}
	rep.Name, rep.Model, rep.Split = m.Source, m.Config.Name, split.Name()
	return rep, nil
}

// SaveReport keeps a report in a run's eval folder under a name, for a later cell.
func SaveReport(run, name string, rep *eval.Report) error {
	dir := filepath.Join(experiments(), run, "eval")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("saving an evaluation: %w", err)
	}
	rep.Name = name
	return rep.Save(filepath.Join(dir, name+".json"))
}

// LoadReport reads what SaveReport kept.
func LoadReport(run, name string) (*eval.Report, error) {
	return eval.LoadReport(filepath.Join(experiments(), run, "eval", name+".json"))
}

func extract(ctx context.Context, m *Model, split dataset.Source) (*eval.Features, error) {
	if split == nil {
		return nil, fmt.Errorf("evaluating: the data set has no such split")
	}
	bar := newProgress("encoding "+split.Name(), len(split.ImageIDs())+len(split.Texts()))
	defer bar.finish()
	return eval.Extract(ctx, m.Model, split, m.Config.ContextLength, bar.set)
}

func runDir(name string) (string, error) {
	dir := filepath.Join(experiments(), name)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("no run %q in %s", name, experiments())
	}
	return dir, nil
}
