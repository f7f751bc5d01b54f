package deploy

import (
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/onnx"
)

// Where products of 8 bits saturate, int8 files run with the option by which they do not, unless their matrices are of 7 bits.
func TestSumsOf8BitsAreWhole(t *testing.T) {
	if wholeSums("amd64", true) != nil || wholeSums("arm64", false) != nil {
		t.Error("processors that cut nothing off get the slower kernels")
	}
	options := wholeSums("amd64", false)
	dev, err := device.Open("cpu:onnx") // which brings the runtime
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	b, err := ort.Open(ort.Provider{Log: 3, Shared: true, Session: options})
	if err != nil {
		t.Fatalf("ONNX Runtime does not take %v: %v", options, err)
	}
	b.Finalize()
	for seven, o := range map[bool]Options{true: {ReduceRange: true}, false: {}} {
		if f := (File{Settings: o.settings(onnx.Int8)}); f.sevenBits() != seven {
			t.Errorf("settings %s: 7 bits %v, want %v", f.Settings, f.sevenBits(), seven)
		}
	}
}
