package device

import (
	"errors"
	"testing"
)

func TestDevicesOfRanks(t *testing.T) {
	t.Setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
	refused := "refused"
	for _, c := range []struct{ name, want string }{
		{"", ""}, {"cpu", "cpu"}, {"cpu:go", "cpu:go"}, {"cuda", "cuda:3"}, {"npu", "npu:3"}, {"npu:cann", "npu:cann:3"}, {"npu,precision=f16,log=info", "npu:3,precision=f16,log=info"},
		{"npu:cann,precision=f16", "npu:cann:3,precision=f16"}, {"npu:/opt/x/libx_ep.so", "npu:/opt/x/libx_ep.so:3"}, {"npu:openvino,device=CPU", "npu:openvino,device=CPU"},
		{"cuda:1", refused}, {"cuda:0-7", refused}, {"cuda:0,2", refused}, {"cuda:all", refused}, {"npu:0", refused}, {"npu:cann:0,precision=f16", refused},
	} {
		got, err := OfRank(c.name, 3)
		if c.want == refused && !errors.Is(err, ErrUnknown) || c.want != refused && (err != nil || got != c.want) {
			t.Errorf("%q: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	if n := Available("cuda"); n != 4 {
		t.Errorf("%d GPUs of four that are shown", n)
	}
	if n := Available("cpu"); n != 0 {
		t.Errorf("%d processors", n)
	}
	t.Setenv("CUDA_VISIBLE_DEVICES", "6") // as srun --gpus-per-task=1 does
	if got, err := OfRank("cuda", 3); err != nil || got != "cuda:0" {
		t.Errorf("the only GPU is %q, %v", got, err)
	}
}

// What a device was asked for opens it once more.
func TestAskedOpensAgain(t *testing.T) {
	for _, name := range []string{"cpu:go", "cpu"} {
		t.Setenv("CLIPKIT_DEVICE", name)
		d, err := Open("")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if d.Asked != name {
			t.Errorf("%q is asked for by %q", name, d.Asked)
		}
	}
}
