// Command probe opens each device and prints what it found, one line each; "go run ./kernels doctor" shows its output.
// It exits with 1 when the cpu device does not open.
package main

import (
	"fmt"
	"os"

	"clipnb/clipkit/device"
)

func main() {
	failed := false
	for _, name := range []string{"cpu:xla", "cpu:onnx", "cpu:go"} {
		dev, err := device.Open(name)
		if err != nil {
			fmt.Printf("%-9s missing: %v\n", name, err)
			continue
		}
		peak := "peak unknown"
		if gf := dev.PeakGFLOPS(); gf > 0 {
			peak = fmt.Sprintf("%.0f GFLOP/s (float32 matmul)", gf)
		}
		fmt.Printf("%-9s ready: %s\n", name, peak)
		dev.Close()
	}
	dev, err := device.Open("cpu")
	if err != nil {
		fmt.Println(err)
		failed = true
	} else {
		fmt.Printf("cpu       uses %s\n", dev.Engine)
		dev.Close()
	}
	for _, name := range []string{"npu", "cuda"} {
		if _, err := device.Open(name); err != nil {
			fmt.Printf("%-9s %v\n", name, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}
