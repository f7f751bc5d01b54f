// Command probe opens each engine of the cpu device and prints what it found, one line each; "go run ./kernels doctor" shows its output.
// It exits with 1 when none opens.
package main

import (
	"fmt"
	"os"

	"clipnb/clipkit/device"
)

func main() {
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
		os.Exit(1)
	}
	fmt.Printf("cpu       uses %s\n", dev.Engine)
	dev.Close()
}
