package clipkit

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// EvaluateOption adds to an evaluation.
type EvaluateOption func(*evaluation)

type evaluation struct {
	run, files string
	k          int
}

// KeepFeatures keeps the features in experiments/<run>/eval, under the split's name and the model's hash: a cell that is run again reads them, and
// one that was interrupted continues. Pictures that change under their ids are not noticed; delete the file then.
func KeepFeatures(run string) EvaluateOption { return func(e *evaluation) { e.run = run } }

// ReferenceFiles also leaves the reference's files (features, top-10 predictions both ways, truth, scores) in a folder (eval.WriteReference).
func ReferenceFiles(dir string) EvaluateOption { return func(e *evaluation) { e.files = dir } }

// Answers is how many answers a query has in the reference's files; 10 unless said, and its scorer takes no other number.
func Answers(k int) EvaluateOption { return func(e *evaluation) { e.k = k } }

// EvaluateRetrieval encodes a split and gives Recall@1/5/10 and their mean, text→image and image→text, in percent. It is true recall over
// the whole split, not the accuracy within a batch that training logs. A split whose answers are hidden is an error (eval.ErrHidden) after
// ReferenceFiles has written the predictions to hand in.
func EvaluateRetrieval(ctx context.Context, m *Model, split dataset.Source, opts ...EvaluateOption) (*eval.Report, error) {
	e := evaluation{k: 10}
	for _, f := range opts {
		f(&e)
	}
	f, err := e.features(ctx, m, split)
	if err != nil {
		return nil, err
	}
	if e.files != "" {
		if err := os.MkdirAll(e.files, 0o755); err != nil {
			return nil, fmt.Errorf("writing the reference's files: %w", err)
		}
		if err := eval.WriteReference(ctx, e.files, path.Base(split.Name()), f, split.Texts(), e.k); err != nil {
			return nil, fmt.Errorf("writing the reference's files: %w", err)
		}
	}
	rep, err := eval.Retrieval(f, split.Texts())
	if err != nil {
		return nil, fmt.Errorf("evaluating %s: %w", split.Name(), err)
	}
	rep.Name, rep.Model, rep.Split = m.Source, m.Config.Name, split.Name()
	return rep, nil
}

// features are extracted, or read where they were kept.
func (e evaluation) features(ctx context.Context, m *Model, split dataset.Source) (*eval.Features, error) {
	if e.run == "" || split == nil {
		return extract(ctx, m, split)
	}
	dir := filepath.Join(experiments(), e.run, "eval")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("keeping features: %w", err)
	}
	return KeptFeatures(ctx, m, split, filepath.Join(dir, strings.ReplaceAll(split.Name(), "/", "-")))
}

// KeptFeatures encodes a split and keeps the features in <prefix>-<hash of the model>.features.safetensors. Where that file is, it is read;
// where the work was interrupted, it continues.
func KeptFeatures(ctx context.Context, m *Model, split dataset.Source, prefix string) (*eval.Features, error) {
	sum, err := fingerprint(m)
	if err != nil {
		return nil, err
	}
	bar := newProgress("encoding "+split.Name(), len(split.ImageIDs())+len(split.Texts()))
	defer bar.finish()
	return eval.ExtractTo(ctx, featuresFile(prefix, sum), m.Model, sum, split, m.Config.ContextLength, bar.set)
}

func featuresFile(prefix, sum string) string {
	return prefix + "-" + sum[:12] + ".features.safetensors"
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
