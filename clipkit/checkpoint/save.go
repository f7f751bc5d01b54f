package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
)

// Parts are the tensors of a checkpoint. Adapters may be none. Those whose bytes are read when they are asked for (tensor.Lent) go to the disk one after
// the other, so that saving takes the memory of the largest, not of the model.
type Parts struct {
	Model, Optimizer, Adapters []tensor.Tensor
}

// Bytes is how many Save will write, but for some kilobytes.
func (p Parts) Bytes() (n int64) {
	for _, list := range [][]tensor.Tensor{p.Model, p.Optimizer, p.Adapters} {
		for _, t := range list {
			n += int64(t.NumBytes()) + 128 // and its place in the header
		}
	}
	return n
}

// IsFull tells whether an error says that the disk, or what the user may take of it, is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Path is where dir has the checkpoint of a step. Those of later steps sort behind it.
func Path(dir string, step int) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08d", prefix, step))
}

// Save writes a checkpoint into dir and returns its path. One for the same step is replaced. On error those in dir are still there, or of the same
// step the new one is.
func Save(dir string, st State, parts Parts) (path string, err error) {
	place := Path(dir, st.Step)
	if err := saveAt(dir, place, st, parts); err != nil {
		return "", fmt.Errorf("saving checkpoint %s: %w", place, err)
	}
	return place, nil
}

func saveAt(dir, place string, st State, parts Parts) error {
	if err := atomicfile.MkdirAll(dir); err != nil {
		return err
	}
	tmp, err := atomicfile.MkdirTemp(dir, unfinished)
	if tmp != "" {
		defer atomicfile.RemoveAll(tmp) // what is there by then: nothing, what was not finished, or what stood in its place
	}
	if err != nil {
		return err
	}
	manifest := map[string]fileSum{}
	write := func(name string, fill func(io.Writer) error) error {
		h := &hashing{sum: sha256.New()}
		err := atomicfile.Write(filepath.Join(tmp, name), func(w io.Writer) error {
			h.to = w
			return fill(h)
		})
		manifest[name] = fileSum{Bytes: h.bytes, SHA256: hex.EncodeToString(h.sum.Sum(nil))}
		return err
	}
	for _, f := range []struct {
		name     string
		tensors  []tensor.Tensor
		metadata map[string]string
	}{
		{modelFile, parts.Model, map[string]string{"format": "pt"}},
		{optimizerFile, parts.Optimizer, nil},
		{adaptersFile, parts.Adapters, map[string]string{"format": "pt"}},
	} {
		if f.name == adaptersFile && len(f.tensors) == 0 {
			continue
		}
		if err := write(f.name, func(w io.Writer) error { return weights.EncodeSafetensors(w, f.tensors, f.metadata) }); err != nil {
			return err
		}
	}
	if err := write(stateFile, func(w io.Writer) error { return encodeJSON(w, st) }); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(tmp, manifestFile), func(w io.Writer) error { return encodeJSON(w, manifest) }); err != nil {
		return err
	}
	if err := put(tmp, place); err != nil {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// put gives a whole checkpoint its place. What stood there has the other's name afterwards, or one that Recover knows.
func put(from, place string) error {
	if !exists(place) {
		return atomicfile.Rename(from, place)
	}
	err := atomicfile.Exchange(from, place)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	aside := from + "-before"
	if err := atomicfile.Rename(place, aside); err != nil {
		return err
	}
	if err := atomicfile.Rename(from, place); err != nil {
		return errors.Join(err, atomicfile.Rename(aside, place)) // where this fails too, Recover does it
	}
	return atomicfile.RemoveAll(aside)
}

// hashing writes, counts and hashes.
type hashing struct {
	to    io.Writer
	sum   hash.Hash
	bytes int64
}

func (h *hashing) Write(b []byte) (int, error) {
	n, err := h.to.Write(b)
	h.sum.Write(b[:n])
	h.bytes += int64(n)
	return n, err
}

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Recover sees to what processes left in dir that were killed while they saved or removed: a checkpoint that is whole, and whose step has none,
// is given its place, which say hears of; the rest is removed. No other process may be saving there.
func Recover(dir string, say func(line string)) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking for unfinished checkpoints: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), unfinished):
			err = adopt(dir, path, say)
		case strings.HasPrefix(e.Name(), leaving):
			err = atomicfile.RemoveAll(path)
		}
		if err != nil {
			return fmt.Errorf("looking for unfinished checkpoints: %w", err)
		}
	}
	return nil
}

// adopt gives an unfinished save its place if it is whole and missing there, and removes it otherwise.
func adopt(dir, path string, say func(line string)) error {
	if !exists(filepath.Join(path, manifestFile)) || Verify(path) != nil { // without the manifest, which comes last, nothing needs to be read
		return atomicfile.RemoveAll(path)
	}
	c, err := Open(path)
	if err != nil {
		return atomicfile.RemoveAll(path)
	}
	if err := c.Close(); err != nil {
		return err
	}
	place := Path(dir, c.State.Step)
	if exists(place) && Verify(place) == nil {
		return atomicfile.RemoveAll(path)
	}
	if err := put(path, place); err != nil {
		return err
	}
	say(fmt.Sprintf("%s was written whole before its process was killed: taken", place))
	if err := atomicfile.RemoveAll(path); err != nil { // the damaged one that stood there
		return err
	}
	return atomicfile.SyncDir(dir)
}

// Remove removes a checkpoint. From the first moment it is none any more, so that a kill leaves nothing that looks damaged.
func Remove(path string) error {
	gone := filepath.Join(filepath.Dir(path), leaving+filepath.Base(path))
	err := atomicfile.Rename(path, gone)
	if err == nil {
		err = atomicfile.RemoveAll(gone)
	}
	if err != nil {
		return fmt.Errorf("removing an old checkpoint: %w", err)
	}
	return nil
}

// Prune removes the oldest checkpoints of dir until keep are left; 0 keeps all. Those that were saved because time had passed do not count, and of them
// only one that is the newest of all is left.
func Prune(dir string, keep int) error {
	paths, err := List(dir)
	if err != nil {
		return err
	}
	var counted, old []string
	for i, path := range paths {
		if !byTime(path) {
			counted = append(counted, path)
		} else if i < len(paths)-1 {
			old = append(old, path)
		}
	}
	if keep > 0 && len(counted) > keep {
		old = append(old, counted[:len(counted)-keep]...)
	}
	for _, path := range old {
		if err := Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// byTime reads State.ByTime; what cannot be read is not.
func byTime(path string) bool {
	var s struct {
		ByTime bool `json:"by_time"`
	}
	b, err := regular.ReadFile(filepath.Join(path, stateFile), 16<<20)
	return err == nil && json.Unmarshal(b, &s) == nil && s.ByTime
}
