package clipkit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/model"
)

// reopened is how another process of this host opens a model once more.
type reopened struct {
	Model     model.Ident // what it has to be
	Again     string      // for Load
	As        []string
	Device    string
	Precision string
}

// reopen says how to open m once more. A model that lies in no file is saved in dir first.
func reopen(m *Model, dir string) (r reopened, err error) {
	r = reopened{Again: m.again, As: m.as, Device: m.Towers.Device.Asked, Precision: string(m.Towers.Precision())}
	if r.Model, err = m.Identity(); err != nil || r.Again != "" {
		return r, err
	}
	r.Again, r.As = filepath.Join(dir, r.Model.Fingerprint[:12]+".safetensors"), nil
	if isFile(r.Again) {
		return r, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return r, fmt.Errorf("saving the model for another process: %w", err)
	}
	return r, m.Save(r.Again, false)
}

// load opens the model on a device and makes sure that it is the same one.
func (r reopened) load(ctx context.Context, device string) (*Model, error) {
	opts := []Option{On(device), In(r.Precision)}
	if len(r.As) > 0 {
		opts = append(opts, As(r.As...))
	}
	m, err := Load(ctx, r.Again, opts...)
	if err != nil {
		return nil, err
	}
	is, err := m.Identity()
	if want := r.Model.Fingerprint; err == nil && is.Fingerprint != want {
		err = fmt.Errorf("%s holds other weights (%.12s) than the model here (%.12s): save that one and Load it first", r.Again, is.Fingerprint, want)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	m.name, m.source = r.Model.Name, r.Model.Source
	return m, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
