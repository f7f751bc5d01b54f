package device_test

import (
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/ort"
)

// ONNX Runtime's own provider, and OpenVINO on its CPU device.

func TestPassThroughIsBitEqual(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	plain := open(t, "cpu:onnx")
	backend, err := ort.Open(ort.Provider{Log: 3, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	through := &device.Device{Name: "cpu", Engine: "ort", Backend: backend}
	t.Cleanup(through.Close)
	agree(t, through, plain, 0)
}

func TestOpenVINOConformance(t *testing.T) {
	needOpenVINO(t)
	for _, name := range []string{"cpu:openvino", "npu:openvino,device=CPU"} {
		t.Run(name, func(t *testing.T) {
			if inOwnProcess(t) {
				devicetest.Test(t, name)
			}
		})
	}
}

func TestOpenVINOMatchesTheCPU(t *testing.T) {
	needOpenVINO(t)
	if !inOwnProcess(t) {
		return
	}
	cpu, npu := open(t, "cpu:xla"), open(t, "npu:openvino,device=CPU")
	agree(t, npu, cpu, 1e-5)
}

// OpenVINO's provider takes no tensor without axes, such as a loss or a learning rate. Encoding is whole; of training, what makes and uses
// scalars stays outside, and nothing else.
func TestOpenVINOPlacement(t *testing.T) {
	needOpenVINO(t)
	if !inOwnProcess(t) {
		return
	}
	const openvino, processor = "OpenVINOExecutionProvider", "CPUExecutionProvider"
	dev := open(t, "npu:openvino,device=CPU")
	compile(t, dev)
	encoders, scalars := 0, map[string]bool{"Slice": true, "Reshape": true, "ReduceSum": true, "Mul": true}
	for _, p := range dev.Placements() {
		t.Log(p)
		if p.Whole(openvino) {
			encoders++
			continue
		}
		for op := range p.Providers[processor].Operators {
			if !scalars[op] {
				t.Errorf("%s was left to the processor: %s", op, p)
			}
		}
		if taken := p.Providers[openvino].Nodes; taken < 2*p.Providers[processor].Nodes {
			t.Errorf("only %d nodes were taken: %s", taken, p)
		}
	}
	if encoders != 2 {
		t.Errorf("%d graphs are whole, expected those of the two towers", encoders)
	}
}
