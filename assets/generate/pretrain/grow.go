package main

import (
	"context"
	"slices"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
)

// grown is the model of a file with the blocks that architecture "emoji" has more today. They add nothing at first, the scale of their last norm being 0: the
// model answers as before, and training goes on from there.
func grown(ctx context.Context, m *clipkit.Model, file string) *clipkit.Model {
	deep := clipkit.Must(clipkit.New(ctx, "emoji", clipkit.Must(clipkit.Recipe("emoji/pretrain")).Config.Seed))
	if slices.Equal(deep.Towers.Config.VisionLayers, m.Towers.Config.VisionLayers) {
		return m
	}
	f := clipkit.Must(weights.Open(file))
	defer f.Close()
	names, parts := f.Names(), deep.Towers.Tensors(deep.Towers.Config.Tensors()...)
	for i, p := range parts {
		switch {
		case slices.Contains(names, p.Name):
			parts[i] = clipkit.Must(f.Tensor(p.Name))
		case strings.HasSuffix(p.Name, ".bn3.weight"):
			parts[i] = tensor.F32(p.Name, p.Shape, make([]float32, p.Size()))
		}
	}
	path := strings.TrimSuffix(file, ".safetensors") + "-grown.safetensors"
	clipkit.Check(weights.Write(path, deep.Towers.Config, parts, nil))
	return clipkit.Must(clipkit.Load(ctx, path))
}
