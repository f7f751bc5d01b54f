package main

import (
	"context"

	"clipnb/clipkit"
	"clipnb/clipkit/weights/tensor"
)

// averaged is the model in the middle between those of two files, tensor by tensor. Of two ends of one training it finds more in a style that was not trained
// than either does (Wortsman and others, Model soups, ICML 2022). The norms' statistics are means, too; training counts them again.
func averaged(ctx context.Context, file, later string) *clipkit.Model {
	m, other := clipkit.Must(clipkit.Load(ctx, file)), clipkit.Must(clipkit.Load(ctx, later))
	defer m.Close()
	defer other.Close()
	cfg := m.Towers.Config
	parts, others := m.Towers.Tensors(cfg.Tensors()...), other.Towers.Tensors(cfg.Tensors()...)
	for i, p := range parts {
		values, more := clipkit.Must(p.Float32()), clipkit.Must(others[i].Float32())
		for k := range values {
			values[k] = (values[k] + more[k]) / 2
		}
		parts[i] = tensor.F32(p.Name, p.Shape, values)
	}
	return rebuilt(ctx, cfg, parts, later, "-mean")
}
