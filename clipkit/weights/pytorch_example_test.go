package weights_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"clipnb/clipkit/weights"
)

// A checkpoint for PyTorch users: torch.load("epoch3.pt", weights_only=True)["state_dict"].
func ExampleWritePyTorch() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "epoch3.pt")
	tensors := []weights.Tensor{weights.F32("logit_scale", nil, []float32{2.6592})}
	if err := weights.WritePyTorch(path, tensors, &weights.Checkpoint{Epoch: 3, Step: 1200, Name: "flowers"}); err != nil {
		log.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	fmt.Println(f.Names(), f.Checkpoint.Epoch, f.Checkpoint.Name)
	// Output: [module.logit_scale] 3 flowers
}
