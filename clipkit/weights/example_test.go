package weights_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights"
)

// A file names neither its layout nor its model; both are found by what is in it.
func ExampleOpenModel() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	cfg, err := arch.Lookup("emoji")
	if err != nil {
		panic(err)
	}
	var tensors []weights.Tensor
	for _, t := range cfg.Tensors() {
		tensors = append(tensors, weights.F32("module."+t.Name, t.Shape, make([]float32, t.Size())))
	}
	path := filepath.Join(dir, "model.safetensors")
	if err := weights.WriteSafetensors(path, tensors, nil); err != nil {
		panic(err)
	}
	f, found, err := weights.OpenModel(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Println(found.Name, found.NumParams())
	// Output:
	// emoji 5502101
}

// Where a published model's weights are, downloaded if they are nowhere yet. Here the network is not to be used.
func ExampleLocate() {
	_, err := weights.Locate(context.Background(), "ViT-B-16", weights.Options{
		Folder: "pretrained_weights",
		Getenv: func(key string) string { return map[string]string{"CLIPKIT_OFFLINE": "1"}[key] },
	})
	fmt.Println(errors.Is(err, weights.ErrOffline))
	// Output:
	// true
}
