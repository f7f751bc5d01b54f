package train

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/internal/machine"
)

// ErrDisk is wrapped for a run whose checkpoints would not fit on the disk.
var ErrDisk = errors.New("train: not enough disk")

// fitsDisk says what the run's checkpoints take, in the log and where it is much to a person, and refuses where they would not fit. Those that are there already count as taken.
func (j *Job) fitsDisk() error {
	dir, free := j.Run.Checkpoints(), j.Disk
	if free == 0 {
		var err error
		if free, err = machine.FreeSpace(dir); errors.Is(err, fs.ErrNotExist) {
			free, err = machine.FreeSpace(j.Run.Dir)
		}
		if err != nil {
			return nil // the system does not say
		}
	}
	if free < 0 || j.finished() {
		return nil
	}
	parts, err := j.parts()
	if err != nil {
		return err
	}
	there, err := checkpoint.List(dir)
	if err != nil {
		return err
	}
	one, c := parts.Bytes(), j.Config
	kept, more := j.checkpoints(c.KeepCheckpoints, len(there))
	bests, best := 0, ""
	if c.BestMetric != "" {
		had, err := checkpoint.List(filepath.Join(dir, "best"))
		if err != nil {
			return err
		}
		bests = 2 - min(1, len(had)) // it, and a better one while it is written
		best = ", and the best one and a better one beside them"
	}
	need := int64(more+bests) * one
	writing := ", and one more is there while it is written"
	if c.KeepCheckpoints == 0 {
		writing = ""
	}
	said := fmt.Sprintf("a checkpoint takes %s; at most %d are kept%s%s: %s of the %s that are free in %s", gb(one), kept, writing, best, gb(need), gb(free), filepath.Clean(j.Run.Dir))
	if len(there) > 0 {
		said += fmt.Sprintf(", beside the %d that are there", len(there))
	}
	if need <= free {
		if need > free/100 { // less is no news
			j.Say(said)
		}
		return j.log("%s", said)
	}
	advice := "free space, or put the run on another disk (experiments may be a link to a folder there)"
	_, least := j.checkpoints(1, len(there))
	if fewer := int64(least+bests) * one; least < more && fewer <= free {
		advice = fmt.Sprintf("keep_checkpoints 1 takes %s (KeepCheckpoints = 1 in a notebook, --keep-checkpoints 1 on the command line); or %s", gb(fewer), advice)
	}
	return fmt.Errorf("%w: %s: %s", ErrDisk, said, advice)
}

// unlessFull is err, but that a full disk, which takes neither lines nor rows, does not end training where a failed save would not. Rows wait for room,
// and none of a checkpoint's is missing from the disk.
func (j *Job) unlessFull(err error) error {
	if !checkpoint.IsFull(err) || j.Config.OnFailedSave == "stop" {
		return err
	}
	if !j.saidFull {
		j.saidFull = true
		j.Say(fmt.Sprintf("THE DISK IS FULL: %v. Training goes on; make room before the next checkpoint", err))
	}
	return nil
}

// checkpoints are how many the run has at most, of which it keeps so many, and for how many it has yet to find room when so many are there.
func (j *Job) checkpoints(keep, there int) (kept, more int) {
	c, left := j.Config, j.perRun-j.state.Step
	last := there + left // one a step at most
	if keep > 0 && c.SaveMinutes > 0 {
		keep++ // what is saved by time is beside them
	}
	if keep > 0 {
		return min(keep, last), max(1, min(keep+1, last)-there)
	}
	every := func(interval, n int) bool { return interval > 0 && n%interval == 0 }
	for i := 1; i <= left; i++ {
		batch := j.state.Batch + i
		if i == left || every(c.SaveStepInterval, j.state.Step+i) || batch%j.perPass == 0 && every(c.SaveEpochInterval, j.state.Epoch+batch/j.perPass) {
			more++
		}
	}
	return there + more, more
}
