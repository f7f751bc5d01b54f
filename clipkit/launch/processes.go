package launch

import (
	"fmt"

	"clipnb/clipkit/device"
	"clipnb/clipkit/train"
)

// Wanted is a run of Ranks ranks with Accum micro-batches each.
type Wanted struct {
	Device       *device.Device
	Ranks, Accum int
	Closed       error // why other processes cannot open the data; nil where they can
}

// Choose is how many processes share the run where nobody said: one for each card of an NPU that the micro-batches divide among, else this one. line,
// if there is one, says who takes whose batches.
func (w Wanted) Choose() (n int, line string) {
	name := w.Device.Asked
	n = 1
	if w.Device.IsNPU() {
		n = min(max(1, device.Available(name)), w.Ranks)
	}
	for w.Ranks*w.Accum%n != 0 {
		n--
	}
	if w.Closed != nil && n > 1 {
		return 1, fmt.Sprintf("%v; the batches of %d ranks are taken in turns on %s", w.Closed, w.Ranks, devices(1, name))
	}
	switch together := w.Device.Count(); {
	case together > 1 && w.Ranks > 1:
		line = fmt.Sprintf("the batches of %d ranks are shared by %d devices (%s)", w.Ranks, together, name)
	case n < w.Ranks:
		line = fmt.Sprintf("the batches of %d ranks are taken in turns on %s", w.Ranks, devices(n, name))
	}
	return n, line
}

// Check refuses a number of processes that this host or this run has no use for.
func (w Wanted) Check(n int) error {
	name, cards := w.Device.Asked, device.Available(w.Device.Asked)
	switch _, err := device.OfRank(name, 0); {
	case n < 1:
		return fmt.Errorf("%w: Processes is %d, want 1 or more, or 0 for as many as there are devices", train.ErrConfig, n)
	case n > 1 && err != nil:
		return fmt.Errorf("%d processes: %w", n, err)
	case n > 1 && cards > 0 && n > cards:
		return fmt.Errorf("%w: %d processes want %s, and there are %d", train.ErrConfig, n, devices(n, name), cards)
	case w.Ranks*w.Accum%n != 0:
		return fmt.Errorf("%w: %d processes cannot share %d batches of a step (world_size %d × accum_freq %d) evenly", train.ErrConfig, n, w.Ranks*w.Accum, w.Ranks, w.Accum)
	}
	return nil
}

// devices names those that n processes take.
func devices(n int, name string) string {
	first, err := device.OfRank(name, 0)
	last, err2 := device.OfRank(name, n-1)
	if n == 1 || err != nil || err2 != nil || first == last {
		return "one device (" + name + ")"
	}
	return fmt.Sprintf("%d devices, %s to %s", n, first, last)
}
