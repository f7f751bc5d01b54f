package pytorch_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// A checkpoint for PyTorch users: torch.load("epoch3.pt", weights_only=True)["state_dict"].
func ExampleWrite() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "epoch3.pt")
	tensors := []tensor.Tensor{tensor.F32("logit_scale", nil, []float32{2.6592})}
	if err := pytorch.Write(path, tensors, &pytorch.Checkpoint{Epoch: 3, Step: 1200, Name: "flowers"}); err != nil {
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
