package ort_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/ort"
)

// ONNX Runtime's own provider, and OpenVINO on its CPU device.

func TestPassThroughIsBitEqual(t *testing.T) {
	if !devicetest.InOwnProcess(t) {
		return
	}
	plain := devicetest.Open(t, "cpu:onnx")
	backend, err := ort.Open(ort.Provider{Log: 3, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	through := &device.Device{Name: "cpu", Engine: "ort", Backend: backend}
	t.Cleanup(through.Close)
	devicetest.Agree(t, through, plain, 0)
}

func TestOpenVINOConformance(t *testing.T) {
	devicetest.NeedOpenVINO(t)
	for _, name := range []string{"cpu:openvino", "npu:openvino,device=CPU"} {
		t.Run(name, func(t *testing.T) {
			if devicetest.InOwnProcess(t) {
				devicetest.Test(t, name)
			}
		})
	}
}

func TestOpenVINOMatchesTheCPU(t *testing.T) {
	devicetest.NeedOpenVINO(t)
	if !devicetest.InOwnProcess(t) {
		return
	}
	cpu, npu := devicetest.Open(t, "cpu:xla"), devicetest.Open(t, "npu:openvino,device=CPU")
	devicetest.Agree(t, npu, cpu, 1e-5)
}

// OpenVINO's provider takes no tensor without axes, such as a loss or a learning rate. Encoding is whole; of training, what makes and uses
// scalars stays outside, and nothing else.
func TestOpenVINOPlacement(t *testing.T) {
	devicetest.NeedOpenVINO(t)
	if !devicetest.InOwnProcess(t) {
		return
	}
	const openvino, processor = "OpenVINOExecutionProvider", "CPUExecutionProvider"
	dev := devicetest.Open(t, "npu:openvino,device=CPU")
	devicetest.Compile(t, dev)
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

// A process has one ONNX Runtime: another device may use it, and one that needs another is refused.
func TestOneRuntimePerProcess(t *testing.T) {
	devicetest.NeedOpenVINO(t)
	t.Run("onnx-first", func(t *testing.T) {
		if !devicetest.InOwnProcess(t) {
			return
		}
		devicetest.Open(t, "cpu:onnx")
		if _, err := device.Open("npu:openvino,device=CPU"); !errors.Is(err, ort.ErrLoaded) || !strings.Contains(err.Error(), "open the device that needs") {
			t.Error(err)
		}
	})
	t.Run("openvino-first", func(t *testing.T) {
		if !devicetest.InOwnProcess(t) {
			return
		}
		m := devicetest.Tiny(t, devicetest.Open(t, "npu:openvino,device=CPU"))
		defer m.Close()
		n := devicetest.Tiny(t, devicetest.Open(t, "cpu:onnx"))
		defer n.Close()
		pixels, _ := devicetest.Sample(m.Config, 0)
		a, err := m.EncodeImages(context.Background(), pixels, devicetest.Pairs)
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.EncodeImages(context.Background(), pixels, devicetest.Pairs)
		if err != nil {
			t.Fatal(err)
		}
		if d := devicetest.Distance(a, b); d > 1e-5 {
			t.Errorf("the two differ by %g", d)
		}
	})
}
