package weights_test

import (
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
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
	var tensors []tensor.Tensor
	for _, t := range cfg.Tensors() {
		tensors = append(tensors, tensor.F32("module."+t.Name, t.Shape, make([]float32, t.Size())))
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
	// emoji 5709749
}
