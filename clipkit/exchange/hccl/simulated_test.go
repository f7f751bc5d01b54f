package hccl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// cards opens the first n simulated NPUs.
func cards(t *testing.T, n int) (list []*device.Device) {
	for i := range n {
		dev := devicetest.Open(t, fmt.Sprintf("npu:cann:%d", i))
		if dev.Card() != i {
			t.Fatalf("%s is card %d", dev, dev.Card())
		}
		list = append(list, dev)
	}
	return list
}

// joined is ranks whose world is one of cards.
func joined(n int, one func(w *World) error) []error {
	return exchangetest.Everywhere(n, func(inner exchange.World) error {
		w, err := Over(inner, inner.Rank())
		if err != nil {
			return err
		}
		return errors.Join(one(w), w.Close())
	})
}

// values of a rank's tensor, keyed by its place.
func values(rank, place, n int) []float32 {
	rng := rand.New(rand.NewPCG(uint64(rank), uint64(place)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// put copies tensors to a device; addresses are what SumOnDevice takes.
func put(dev *device.Device, tensors [][]float32) (buffers []compute.Buffer, addresses []uintptr, lengths []int, err error) {
	for _, x := range tensors {
		b, err := dev.Backend.BufferFromFlatData(0, x, shapes.Make(dtypes.Float32, len(x)))
		if err != nil {
			return nil, nil, nil, err
		}
		at, err := device.Address(b)
		if err != nil {
			return nil, nil, nil, err
		}
		buffers, addresses, lengths = append(buffers, b), append(addresses, at), append(lengths, len(x))
	}
	return buffers, addresses, lengths, nil
}

// Tensors of several sizes, some larger than the stand-in's pieces, become what the host's memory would have become, and do not pass through it.
func TestSimulatedSumsAreThoseOfTheHost(t *testing.T) {
	sim := simulated(t)
	if !devicetest.InOwnProcess(t, sim.Env()...) {
		return
	}
	devices := cards(t, 2)
	errs := joined(2, func(w *World) error {
		r, want := w.Rank(), [][]float32{}
		for place, size := range []int{1, 1000, 1<<18 - 1, 1 << 18, 600_001} {
			want = append(want, values(r, place, size))
		}
		buffers, addresses, lengths, err := put(devices[r], want)
		if err != nil {
			return err
		}
		before := sim.Counters(t, r)
		if err := w.SumOnDevice(addresses, lengths); err != nil {
			return err
		}
		moved := sim.Counters(t, r).Minus(before)
		if moved.ToDevice+moved.FromDevice != 0 || moved.OnDevice == 0 {
			t.Errorf("rank %d: %d bytes went to the card and %d from it, %d on it", r, moved.ToDevice, moved.FromDevice, moved.OnDevice)
		}
		for i, x := range want {
			if err := w.Sum(x); err != nil { // of host memory, over the world around which this one is
				return err
			}
			got := make([]float32, len(x))
			if err := buffers[i].ToFlatData(got); err != nil {
				return err
			}
			if !slices.Equal(got, x) {
				t.Errorf("rank %d: the sum of tensor %d on the card is not the host's", r, i)
			}
		}
		return w.SumOnDevice(nil, nil)
	})
	check(t, "sums", errs, [2]string{})
}

// Each thing that can fail is the same line on every rank that can know it, with the vendor's call, its code, and what that means.
// fault 34
func TestSimulatedFaults(t *testing.T) {
	if !devicetest.InOwnProcess(t, simulated(t).Env()...) {
		return
	}
	devices := cards(t, 2)
	t.Setenv("TMPDIR", t.TempDir()) // where the stand-in's ranks meet
	sum := func(w *World) error {
		_, addresses, lengths, err := put(devices[w.Rank()], [][]float32{values(0, 0, 10), values(0, 1, 20), values(0, 2, 30)})
		if err != nil {
			return err
		}
		return w.SumOnDevice(addresses, lengths)
	}
	const late = "HcclAllReduce gives 9: time ran out: another rank did not come"
	for _, c := range []struct {
		fault string
		want  [2]string
	}{
		{"HcclGetRootInfo:1:11@0", [2]string{"rank 0 cannot join: HcclGetRootInfo gives 11: the hosts do not reach each other; HCCL_IF_IP", "rank 0 cannot join: HcclGetRootInfo gives 11"}},
		{"HcclCommInitRootInfo:1:7@0", [2]string{"rank 0 cannot join: HcclCommInitRootInfo gives 7: a resource is not available; npu-smi", "rank 0 cannot join: HcclCommInitRootInfo gives 7"}},
		{"HcclCommInitRootInfo:1:16@1", [2]string{"rank 1 cannot join: HcclCommInitRootInfo gives 16: the driver failed", "rank 1 cannot join: HcclCommInitRootInfo gives 16"}},
		{"HcclCommInitRootInfo:1:9@1", [2]string{"rank 0 cannot join: HcclCommInitRootInfo gives 9: time ran out", "rank 0 cannot join: HcclCommInitRootInfo gives 9: time ran out"}},
		{"HcclAllReduce:2:21@1", [2]string{"rank 0, summing tensor 2 of 3 (20 values) on card 0: " + late, "rank 1, summing tensor 2 of 3 (20 values) on card 1: HcclAllReduce gives 21: another rank's card failed"}},
		{"HcclAllReduce:1:77@0", [2]string{"HcclAllReduce gives 77: a result that this program does not know", "rank 1, summing tensor 1 of 3 (10 values) on card 1: " + late}},
		{"HcclCommDestroy:1:4@0", [2]string{"rank 0, leaving: HcclCommDestroy gives 4: an internal error", ""}},
	} {
		t.Setenv("SIMULATED_HCCL_FAULT", c.fault)
		check(t, c.fault, joined(2, sum), c.want)
	}
	t.Setenv("SIMULATED_HCCL_FAULT", "")
	t.Setenv("SIMULATED_ACL_SYNCHRONIZE", "507011")
	const stream = "summing 3 tensors on card %d: aclrtSynchronizeStream gives 507011"
	check(t, "the stream", joined(2, sum), [2]string{fmt.Sprintf(stream, 0), fmt.Sprintf(stream, 1)})
	t.Setenv("SIMULATED_ACL_SYNCHRONIZE", "0")
	check(t, "afterwards", joined(2, sum), [2]string{})
	check(t, "after Close", exchangetest.Everywhere(2, func(inner exchange.World) error {
		w, err := Over(inner, inner.Rank())
		if err != nil {
			return err
		}
		return errors.Join(w.Close(), w.Close(), w.SumOnDevice([]uintptr{64}, []int{1}))
	}), [2]string{"summing after Close", "summing after Close"})

	const other = "HcclAllReduce gives 1: a wrong parameter"
	check(t, "lengths that differ", joined(2, func(w *World) error {
		_, addresses, lengths, err := put(devices[w.Rank()], [][]float32{values(0, 0, 10+w.Rank())})
		if err != nil {
			return err
		}
		return w.SumOnDevice(addresses, lengths)
	}), [2]string{other, other})
	const foreign = "HcclAllReduce gives 15: CANN's runtime failed"
	check(t, "a tensor of the other card", joined(2, func(w *World) error {
		_, addresses, lengths, err := put(devices[1-w.Rank()], [][]float32{values(0, 0, 10)})
		if err != nil {
			return err
		}
		return w.SumOnDevice(addresses, lengths)
	}), [2]string{foreign, foreign})
	check(t, "a card that is not there", exchangetest.Everywhere(2, func(w exchange.World) error {
		_, err := Over(w, 2*w.Rank())
		return err
	}), [2]string{"rank 1 cannot join: aclrtSetDevice gives 107001 (simulated: no device 2)", "rank 1 cannot join: aclrtSetDevice gives 107001"})
	check(t, "one card for both", exchangetest.Everywhere(2, func(w exchange.World) error {
		_, err := Over(w, 1)
		return err
	}), [2]string{"ranks 0 and 1 have the same card 1 of one host; give each rank its own", "ranks 0 and 1 have the same card 1"})
}

// check compares the errors of two ranks with what they are to contain; "" is none.
func check(t *testing.T, what string, errs []error, want [2]string) {
	t.Helper()
	for r, err := range errs {
		switch {
		case want[r] == "" && err != nil:
			t.Errorf("%s: rank %d: %v", what, r, err)
		case want[r] != "" && (!errors.Is(err, exchange.ErrWorld) || !strings.Contains(err.Error(), want[r]) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: rank %d: %v, want one line with %q", what, r, err, want[r])
		}
	}
}
