// Package checkpoint saves and finds the state of a training run. A checkpoint is a directory:
//
//	step-00000120/
//	  model.safetensors      parameters and buffers under the reference's names
//	  optimizer.safetensors  AdamW moments, and whatever else is trained
//	  adapters.safetensors   LoRA's additions alone, if there are any; the model has them in it
//	  state.json             where the run stands (State)
//	  manifest.json          size and SHA-256 of the others, written last
//
// It is written beside its place and renamed, so it is whole or absent: a crash, a full disk or a kill leaves the one before. One of the same step
// is exchanged for the new one, and removed only then. Recover, at the next start, gives a place to what a kill left whole and removes the rest: at
// each moment one whole checkpoint exists, once one did.
//
//	path, err := checkpoint.Save(dir, state, checkpoint.Parts{Model: model, Optimizer: moments})
//	err = checkpoint.Recover(dir, say)                     // before the first Save of a process
//	path, err := checkpoint.Latest(dir, func(line string) { … }) // newest whole one; damaged ones are said aloud and passed over
//	c, err := checkpoint.Open(path)
//	defer c.Close()
//
// Errors: ErrNone when a directory holds no checkpoint, ErrDamaged when one fails its manifest.
package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/weights"
)

var (
	ErrNone    = errors.New("no checkpoint")
	ErrDamaged = errors.New("damaged checkpoint")
)

// State is where a run stands: the next thing to train on is batch Batch of epoch Epoch.
type State struct {
	Arch    arch.Config `json:"arch"`
	Step    int         `json:"step"`    // optimizer steps done
	Epoch   int         `json:"epoch"`   // epoch of the next batch, from 0
	Batch   int         `json:"batch"`   // index of the next batch in it
	Samples int64       `json:"samples"` // pairs seen
	Updates int         `json:"updates"` // AdamW's: Step, unless the run began at another's checkpoint or left steps out

	EpochPairs int `json:"epoch_pairs,omitempty"` // places in the epoch's order, which is another for another number; 0 = saved by a version that did not say

	NaNSteps int `json:"nan_steps,omitempty"` // left out because their loss was not a number

	LossScale float64 `json:"loss_scale,omitempty"` // of float16 training
	GoodSteps int     `json:"good_steps,omitempty"` // since it last changed

	Unvalidated bool   `json:"unvalidated,omitempty"` // the run was interrupted in the validation after this step
	Best        *Best  `json:"best,omitempty"`        // of the validations so far, when a run looks for it
	Stopped     string `json:"stopped,omitempty"`     // why the run ended before its last step

	ByTime bool `json:"by_time,omitempty"` // saved because time had passed: it goes when there is a newer one
}

// Best is the best validation of a run.
type Best struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Step   int     `json:"step"`
	Misses int     `json:"misses"` // validations since then
}

// Checkpoint is an open one.
type Checkpoint struct {
	Path             string
	State            State
	Model, Optimizer *weights.File
}

const (
	modelFile     = "model.safetensors"
	optimizerFile = "optimizer.safetensors"
	adaptersFile  = "adapters.safetensors"
	stateFile     = "state.json"
	manifestFile  = "manifest.json"
	prefix        = "step-"
	unfinished    = ".saving-"   // being written; or whole, with another of the same step in its place
	leaving       = ".removing-" // being removed
)

type fileSum struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// List gives the checkpoints of dir, oldest first. A directory that does not exist has none.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listing checkpoints: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	sort.Strings(paths)
	return paths, nil
}

// Latest finds the newest checkpoint that is whole. warn receives a line for each damaged one that it passes over.
func Latest(dir string, warn func(string)) (string, error) {
	paths, err := List(dir)
	if err != nil {
		return "", err
	}
	for i := len(paths) - 1; i >= 0; i-- {
		if err := Verify(paths[i]); err != nil {
			warn(fmt.Sprintf("%v; trying the one before", err))
			continue
		}
		return paths[i], nil
	}
	return "", fmt.Errorf("%w in %s", ErrNone, dir)
}

// Verify compares every file with the manifest.
func Verify(path string) error {
	var manifest map[string]fileSum
	b, err := regular.ReadFile(filepath.Join(path, manifestFile), 16<<20)
	if err == nil {
		err = json.Unmarshal(b, &manifest)
	}
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrDamaged, path, err)
	}
	for _, name := range []string{modelFile, optimizerFile, stateFile} {
		if _, ok := manifest[name]; !ok {
			return fmt.Errorf("%w %s: its manifest does not name %s", ErrDamaged, path, name)
		}
	}
	for name, want := range manifest {
		if name != modelFile && name != optimizerFile && name != adaptersFile && name != stateFile {
			return fmt.Errorf("%w %s: its manifest names %.100q, which is no file of a checkpoint; nothing of it was read", ErrDamaged, path, name)
		}
		got, err := sum(filepath.Join(path, name))
		if err != nil {
			return fmt.Errorf("%w %s: %w", ErrDamaged, path, err)
		}
		if got != want {
			return fmt.Errorf("%w %s: %s has %d bytes and hash %.12s…, the manifest says %d and %.12s…", ErrDamaged, path, name, got.Bytes, got.SHA256, want.Bytes, want.SHA256)
		}
	}
	return nil
}

// Open reads a checkpoint without checking hashes (Latest and Verify do) but with every check of the formats.
func Open(path string) (*Checkpoint, error) {
	c := &Checkpoint{Path: path}
	b, err := regular.ReadFile(filepath.Join(path, stateFile), 16<<20)
	if err == nil {
		err = json.Unmarshal(b, &c.State)
	}
	if err == nil {
		err = c.State.Arch.Check()
	}
	if err == nil {
		c.Model, err = weights.Open(filepath.Join(path, modelFile))
	}
	if err == nil {
		if c.Optimizer, err = weights.Open(filepath.Join(path, optimizerFile)); err != nil {
			c.Model.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening checkpoint %s: %w", path, err)
	}
	return c, nil
}

// Find opens the checkpoint at path, or the newest whole one of the run there; its hashes are checked once, and warn hears of damaged ones.
func Find(path string, warn func(line string)) (*Checkpoint, error) {
	inner := filepath.Join(path, "checkpoints")
	var err error
	switch {
	case exists(filepath.Join(path, manifestFile)):
		err = Verify(path)
	case exists(inner):
		path, err = Latest(inner, warn)
	default:
		err = fmt.Errorf("%w in %s: it has neither %s nor checkpoints/", ErrNone, path, manifestFile)
	}
	if err != nil {
		return nil, err
	}
	return Open(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Close lets go of the files.
func (c *Checkpoint) Close() error { return errors.Join(c.Model.Close(), c.Optimizer.Close()) }

func sum(path string) (fileSum, error) {
	f, err := regular.Open(path)
	if err != nil {
		return fileSum{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return fileSum{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}
