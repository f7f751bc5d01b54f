package hccl

import (
	"os"
	"testing"

	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/npusim"
	"clipnb/clipkit/internal/limit"
)

// Here the real CANN provider of onnxruntime-cann runs over a SIMULATED Ascend runtime, and this package over a SIMULATED libhccl.

// built is the folder of the stand-ins, which all tests of this process share.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "hccl-"); err != nil {
		panic(err)
	}
	code := limit.Run(m)
	os.RemoveAll(built)
	os.Exit(code)
}

// simulated builds the stand-ins, or finds those that this process was started with.
func simulated(t *testing.T) npusim.Sim {
	t.Helper()
	devicetest.NeedWheel(t, "onnxruntime-cann", "linux/amd64", "linux/arm64")
	if devicetest.IsChild() {
		return npusim.Here()
	}
	return npusim.Build(t, built).WithHCCL(t)
}
