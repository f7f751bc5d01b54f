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
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/live"
)

// EvaluateRetrieval encodes a split and gives Recall@1/5/10 and their mean, text→image and image→text, in percent. It is true recall over
// the whole split, not the accuracy within a batch that training logs. Pictures that cannot be read are left out and listed (dataset.Skipped), but
// for ReferenceFiles, which need all. A split whose answers are hidden is an error (eval.ErrHidden) after
// ReferenceFiles has written the predictions to hand in.
func EvaluateRetrieval(ctx context.Context, m *Model, split dataset.Source, opts ...Option) (*eval.Report, error) {
	o, err := chosen("EvaluateRetrieval", evaluating, opts)
	if err != nil {
		return nil, err
	}
	skip := live.Skip(exchange.Alone, o.budget, say)
	if o.files != "" {
		skip = nil
	}
	f, err := m.features(ctx, exchange.Alone, split, o.run, skip)
	if err != nil {
		return nil, err
	}
	if o.files != "" {
		if err := os.MkdirAll(o.files, 0o777); err != nil {
			return nil, fmt.Errorf("writing the reference's files: %w", err)
		}
		if err := eval.WriteReference(ctx, o.files, path.Base(split.Name()), f, split.Texts(), o.answers); err != nil {
			return nil, fmt.Errorf("writing the reference's files: %w", err)
		}
	}
	rep, err := eval.Retrieval(f, split.Texts())
	if err != nil {
		return nil, fmt.Errorf("evaluating %s: %w", split.Name(), err)
	}
	rep.Name, rep.Model, rep.Split = m.source, m.Towers.Config.Name, split.Name()
	return rep, nil
}

// Features encodes a split: its pictures and captions, as unit vectors. With Keep they are kept with a run, and read from there.
func (m *Model) Features(ctx context.Context, split dataset.Source, opts ...Option) (*eval.Features, error) {
	o, err := chosen("Features", encoding, opts)
	if err != nil {
		return nil, err
	}
	return m.features(ctx, exchange.Alone, split, o.run, live.Skip(exchange.Alone, o.budget, say))
}

// features are read where they are kept: with a run, or for all cells and notebooks.
func (m *Model) features(ctx context.Context, w exchange.World, split dataset.Source, run string, skip *dataset.Skipped) (*eval.Features, error) {
	if split == nil {
		return nil, fmt.Errorf("evaluating: the data set has no such split")
	}
	prefix := m.sharedPrefix(split)
	if run != "" {
		prefix = keptPrefix(run, split)
	}
	if prefix == "" {
		bar := live.Encoding(w, m.Towers.Config, "encoding", split)
		defer bar.Finish()
		return eval.Extract(ctx, w, m.Towers, split, m.Towers.Config.ContextLength, skip, bar.Of)
	}
	if err := os.MkdirAll(filepath.Dir(prefix), 0o777); err != nil {
		return nil, fmt.Errorf("keeping features: %w", err)
	}
	return m.KeptFeatures(ctx, w, split, prefix, skip)
}

// sharedPrefix is what the names of features begin with that any cell may use again: those of the embedded model on the embedded set, neither of
// which ever changes. For others it is "".
func (m *Model) sharedPrefix(split dataset.Source) string {
	if at, _ := dataset.LocationOf(split); at.Path != "emoji" || m.again != "emoji" {
		return ""
	}
	name := fmt.Sprintf("%s-%s-%s-%s", split.Name(), m.Towers.Device.Name, m.Towers.Device.Engine, m.Towers.Precision())
	return filepath.Join(repo.Experiments(), ".features", strings.NewReplacer("/", "-", ":", "-", ",", "-").Replace(name))
}

// KeptFeatures encodes a split and keeps the features in <prefix>-<hash of the model>.features.safetensors. Where that file is, it is read;
// where the work was interrupted, it continues. The ranks of w share the work, and all get the features; exchange.Alone is one process. A skip of nil
// leaves out no picture.
func (m *Model) KeptFeatures(ctx context.Context, w exchange.World, split dataset.Source, prefix string, skip *dataset.Skipped) (*eval.Features, error) {
	sum, err := m.Towers.Fingerprint()
	if err := exchange.Agree(w, err); err != nil {
		return nil, err
	}
	bar := live.Encoding(w, m.Towers.Config, "encoding", split)
	defer bar.Finish()
	return eval.ExtractTo(ctx, w, featuresFile(prefix, sum), m.Towers, sum, split, m.Towers.Config.ContextLength, skip, bar.Of)
}

// keptPrefix is what the names of a split's features begin with where Keep keeps them.
func keptPrefix(run string, split dataset.Source) string {
	return filepath.Join(repo.Experiments(), run, "eval", strings.ReplaceAll(split.Name(), "/", "-"))
}

func featuresFile(prefix, sum string) string {
	return prefix + "-" + sum[:12] + ".features.safetensors"
}
