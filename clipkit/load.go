package clipkit

import (
	"cmp"
	"context"
	"fmt"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/device"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/byname"
)

// ErrNoModel is wrapped when Load's argument is neither a model's name nor a place where one lies.
var ErrNoModel = byname.ErrNoModel

// Load opens a model:
//
//	"ViT-B-16"                      a published one (hub.Published): looked for in pretrained_weights/ and the folder CLIPKIT_WEIGHTS, else downloaded
//	"clip_cn_vit-b-16.pt"           a checkpoint of the reference, published or trained; also .safetensors and a folder of transformers
//	"emoji"                         the small one that is compiled in (64×64 pictures, trained on emoji in thirty-six drawing styles)
//	"quickstart"                    a run under experiments/, or the path of one: its newest whole checkpoint
//	"quickstart/best"               its best one (train.Config.BestMetric)
//	"…/checkpoints/step-00000100"   one checkpoint
//	"deploy"                        a folder of exported files (Model.Export): it encodes on the processor, with In its precision; one tower may be absent
//
// Loading is strict: every tensor must be there with its shape, and no other. The file is mapped, not read: memory holds one copy of the
// weights, the device's.
func Load(ctx context.Context, name string, opts ...Option) (*Model, error) {
	o, err := chosen("Load", loading, opts)
	if err != nil {
		return nil, err
	}
	found, err := byname.Open(ctx, name, o.as, say)
	if err != nil {
		return nil, fmt.Errorf("loading %q: %w", name, err)
	}
	defer found.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := &Model{}
	if found.Export != "" {
		if m.Towers, err = deploy.Open(found.Export, string(o.precision), o.device); err == nil {
			found.Name, found.Source = fmt.Sprintf("%s %s", found.Name, m.Towers.Precision()), fmt.Sprintf("%s (%s)", found.Source, m.Towers.Precision())
		}
	} else {
		m, err = assemble(found.Config, o, func(towers *model.Model) error {
			note, err := weights.LoadResized(towers, found.Config, found.File)
			if note != "" {
				say(note)
			}
			for _, remark := range found.File.Remarks {
				say(remark)
			}
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	m.name, m.source, m.again, m.as = found.Name, found.Source, found.Again, o.as
	return m, nil
}

// New makes a model of a known architecture with fresh random weights, for training from scratch.
func New(ctx context.Context, architecture string, seed uint64, opts ...Option) (*Model, error) {
	o, err := chosen("New", making, opts)
	if err != nil {
		return nil, err
	}
	cfg, err := arch.Lookup(architecture)
	if err != nil {
		return nil, err
	}
	m, err := assemble(cfg, o, func(towers *model.Model) error { return towers.Init(seed) })
	if err != nil {
		return nil, err
	}
	m.name, m.source = cfg.Name, fmt.Sprintf("random weights, seed %d", seed)
	return m, nil
}

// NewFrom is New with the vision tower of an OpenAI CLIP and the text tower of a BERT, as the reference starts training from scratch
// (--clip-weight-path, --bert-weight-path); either file may be "". What was taken and what stays random is said aloud.
func NewFrom(ctx context.Context, architecture, openai, bert string, seed uint64, opts ...Option) (*Model, error) {
	var files [2]*weights.File
	for i, path := range []string{openai, bert} {
		if path == "" {
			continue
		}
		f, err := weights.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files[i] = f
	}
	m, err := New(ctx, architecture, seed, opts...)
	if err != nil {
		return nil, err
	}
	report, err := weights.LoadInit(m.Towers, m.Towers.Config, files[0], files[1])
	if err != nil {
		m.Close()
		return nil, err
	}
	say(report.String())
	m.source = fmt.Sprintf("vision from %q, text from %q, the rest random with seed %d", openai, bert, seed)
	return m, nil
}

// assemble makes a model on its device and has it filled.
func assemble(cfg arch.Config, o options, fill func(*model.Model) error) (*Model, error) {
	name, err := o.device, error(nil)
	if o.world != nil {
		name, err = device.OfRank(name, o.world.Local())
	}
	if err != nil {
		return nil, err
	}
	dev, err := device.Open(name)
	if err != nil {
		return nil, err
	}
	towers, err := model.NewIn(cfg, dev, cmp.Or(o.precision, model.F32))
	if err == nil {
		err = fill(towers)
	}
	if err != nil {
		dev.Close()
		return nil, err
	}
	return &Model{Towers: towers}, nil
}
