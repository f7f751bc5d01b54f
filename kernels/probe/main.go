// Command probe opens devices and prints what it found, one line each. "go run ./kernels doctor -try" builds it and shows its output; it is a program of
// its own because doctor must run without the C compiler that the engines are built with.
//
//	go run ./kernels/probe                 the engines of the cpu; exits with 1 when none opens
//	go run ./kernels/probe npu             a device: which provider runs the graphs of a small model, its training step included; of an Ascend card
//	                                       also what its driver and toolkit lack
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/device/ascend"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
)

func main() {
	failed := false
	for _, name := range os.Args[1:] {
		if strings.HasPrefix(name, "npu") {
			fmt.Print(ascendLines(ascend.Look(ascend.Here)))
		}
		if err := probe(name); err != nil {
			fmt.Printf("%-9s missing: %v\n", name, err)
			failed = true
		}
	}
	if len(os.Args) == 1 {
		failed = !engines()
	}
	if failed {
		os.Exit(1)
	}
}

// ascendLines says what the cards that are here have and lack, in doctor's form; nothing where there is none.
func ascendLines(a ascend.Installation) (lines string) {
	if len(a.Devices) == 0 {
		return ""
	}
	lines = fmt.Sprintf("ok    npu      Ascend: %s\n", a)
	for _, p := range a.Problems() {
		lines += fmt.Sprintf("LACKS npu      %s\n", p)
	}
	return lines
}

// engines tries those of the cpu, and says which one it uses.
func engines() bool {
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
		return false
	}
	fmt.Printf("cpu       uses %s\n", dev.Engine)
	dev.Close()
	return true
}

// small is a two-tower model that compiles in seconds.
var small = arch.Config{
	Name: "probe", EmbedDim: 64, ImageResolution: 32, VisionLayers: arch.Layers{2}, VisionWidth: 64, VisionPatchSize: 16,
	VocabSize: 100, TextHiddenAct: "gelu", TextWidth: 64, TextInitRange: 0.02, TextIntermediate: 256, TextMaxPositions: 16, TextHeads: 1,
	TextLayers: 2, TextTypes: 2, ContextLength: 16,
}

// probe runs the small model on a device and tells of each of its graphs which provider took how many nodes.
func probe(name string) error {
	dev, err := device.Open(name)
	if err != nil {
		return err
	}
	defer dev.Close()
	fmt.Printf("%-9s ready: %s\n", name, dev.Backend.Description())
	m, err := model.New(small, dev)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Init(1); err != nil {
		return err
	}
	s, err := step.New(m, step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6})
	if err != nil {
		return err
	}
	defer s.Close()
	const n = 2
	pixels, ids := make([]float32, n*3*small.ImageResolution*small.ImageResolution), make([]int32, n*small.ContextLength)
	for i := range ids {
		ids[i] = int32(1 + i%(small.VocabSize-1))
	}
	_, images := m.EncodeImages(context.Background(), pixels, n)
	_, texts := m.EncodeTexts(context.Background(), ids, n)
	step, stepped := s.Step(pixels, ids, n, 1e-4, 0)
	if err := errors.Join(images, texts, stepped); err != nil {
		return err
	}
	if list := dev.Placements(); len(list) > 0 {
		fmt.Printf("%-9s %s\n", name, summary(list))
	}
	fmt.Printf("%-9s trains: the loss of a first step is %.3f\n", name, step.Loss)
	return nil
}

// summary adds up the placements of graphs.
func summary(list []ort.Placement) string {
	sum, whole := ort.Placement{Graph: fmt.Sprintf("encodes and trains in %d graphs", len(list)), Providers: map[string]ort.Share{}}, 0
	for _, p := range list {
		for provider, share := range p.Providers {
			total := sum.Providers[provider]
			if total.Operators == nil {
				total.Operators = map[string]int{}
			}
			total.Nodes += share.Nodes
			total.Subgraphs += share.Subgraphs
			for op, n := range share.Operators {
				total.Operators[op] += n
			}
			sum.Providers[provider] = total
			if p.Whole(provider) && !strings.HasPrefix(provider, "CPU") {
				whole++
			}
		}
	}
	return fmt.Sprintf("%s; %d of them in one piece on the device", sum, whole)
}
