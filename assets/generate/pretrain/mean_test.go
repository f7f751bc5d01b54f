package main

import (
	"path/filepath"
	"testing"

	"clipnb/clipkit"
)

// Every number of the averaged model lies in the middle between those of the two.
func TestAveraged(t *testing.T) {
	ctx, folder := t.Context(), t.TempDir()
	var files []string
	var models []*clipkit.Model
	for seed, name := range []string{"one.safetensors", "two.safetensors"} {
		files = append(files, filepath.Join(folder, name))
		m := clipkit.Must(clipkit.New(ctx, "emoji", uint64(seed)))
		defer m.Close()
		clipkit.Check(m.Save(files[seed], false))
		models = append(models, m)
	}
	mean := averaged(ctx, files[0], files[1])
	defer mean.Close()
	names := mean.Towers.Config.Tensors()
	differ := 0
	for i, got := range mean.Towers.Tensors(names...) {
		one := clipkit.Must(models[0].Towers.Tensors(names...)[i].Float32())
		two := clipkit.Must(models[1].Towers.Tensors(names...)[i].Float32())
		for k, v := range clipkit.Must(got.Float32()) {
			if v != (one[k]+two[k])/2 {
				t.Fatalf("%s: between %v and %v is %v", got.Name, one[k], two[k], v)
			}
			if one[k] != two[k] {
				differ++
			}
		}
	}
	if differ == 0 {
		t.Error("the two models are one")
	}
}
