package main

import (
	"context"
	"slices"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
)

// grown is the model of a file, with those blocks of a random one that it lacks. They add nothing at first, the scale of their last norm being 0: the model
// answers as before, and training goes on from there.
func grown(ctx context.Context, random *clipkit.Model, file string) *clipkit.Model {
	m := clipkit.Must(clipkit.Load(ctx, file))
	if slices.Equal(random.Towers.Config.VisionLayers, m.Towers.Config.VisionLayers) {
		return m
	}
	f := clipkit.Must(weights.Open(file))
	defer f.Close()
	names, parts := f.Names(), random.Towers.Tensors(random.Towers.Config.Tensors()...)
	for i, p := range parts {
		switch {
		case slices.Contains(names, p.Name):
			parts[i] = clipkit.Must(f.Tensor(p.Name))
		case strings.HasSuffix(p.Name, ".bn3.weight"):
			parts[i] = tensor.F32(p.Name, p.Shape, make([]float32, p.Size()))
		}
	}
	return rebuilt(ctx, random.Towers.Config, parts, file, "-grown")
}

// rebuilt is the model of other tensors than those of a file. It is written beside that, with an ending to its name.
func rebuilt(ctx context.Context, cfg arch.Config, parts []tensor.Tensor, file, ending string) *clipkit.Model {
	path := strings.TrimSuffix(file, ".safetensors") + ending + ".safetensors"
	clipkit.Check(weights.Write(path, cfg, parts, nil))
	return clipkit.Must(clipkit.Load(ctx, path))
}
