package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights/tensor"
)

// trySave is save where it may fail.
func trySave(t *testing.T, dir string, step int) (string, error) {
	t.Helper()
	return Save(dir, State{Arch: golden.Config(t, "vit"), Step: step}, Parts{
		Model:     []tensor.Tensor{tensor.F32("a", []int{2}, []float32{1, float32(step)})},
		Optimizer: []tensor.Tensor{tensor.F32("m", nil, []float32{3})},
		Adapters:  []tensor.Tensor{tensor.F32("b", nil, []float32{4})},
	})
}

var errKilled = errors.New("the process is gone")

// faults are the ways in which the operations from the n-th on end.
var faults = map[string]func(at, n int) error{
	"the disk is full for one operation": func(at, n int) error {
		if at == n {
			return syscall.ENOSPC
		}
		return nil
	},
	"the disk is full from then on": func(at, n int) error {
		if at >= n {
			return syscall.ENOSPC
		}
		return nil
	},
	"killed": func(at, n int) error { // what would have cleaned up does nothing either
		if at >= n {
			return errKilled
		}
		return nil
	},
}

// A save whose n-th operation fails, for all n, or in which the process is killed there: a whole checkpoint is there, of the step before or of this
// one, and the next start finds it and saves on. The operations are all that change the disk: folders, files, each write, syncs, renames, removals.
// fault 26, 19.2
func TestFaultAtEachOperationOfASave(t *testing.T) {
	for _, c := range []struct {
		name     string
		step     int // after one of step 5
		exchange bool
	}{
		{"a new step", 6, true},
		{"the same step", 5, true},
		{"the same step where names cannot be exchanged", 5, false},
	} {
		for how, fault := range faults {
			t.Run(c.name+", "+how, func(t *testing.T) {
				adopted, n := 0, 0
				for {
					n++
					dir := quickDir(t)
					save(t, dir, 5)
					at := 0
					end := atomicfile.Inject(func(op, path string) error {
						if op == "exchange" && !c.exchange {
							return errors.ErrUnsupported
						}
						at++
						return fault(at, n)
					})
					path, err := trySave(t, dir, c.step)
					end()
					if at < n && err != nil {
						t.Fatalf("without a fault: %v", err)
					}
					if err != nil && (!strings.Contains(err.Error(), "saving checkpoint "+Path(dir, c.step)) || how != "killed" && !IsFull(err)) {
						t.Fatalf("operation %d: error %v does not name the checkpoint, or not the full disk", n, err)
					}
					if err == nil && path != Path(dir, c.step) {
						t.Fatalf("operation %d: saved at %s", n, path)
					}
					quiet := func(line string) { t.Errorf("operation %d: %s", n, line) }
					if how != "killed" && c.exchange { // the process lives on, and has it without looking for it
						whole(t, dir, n, quiet)
					}
					said := ""
					if rerr := Recover(dir, func(line string) { said += line }); rerr != nil {
						t.Fatalf("operation %d: %v", n, rerr)
					}
					if step := whole(t, dir, n, quiet); err == nil && step != c.step {
						t.Fatalf("operation %d: step %d is there after step %d was saved", n, step, c.step)
					} else if step == c.step && said != "" {
						adopted++
					}
					left, err := os.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range left {
						if !strings.HasPrefix(e.Name(), prefix) {
							t.Fatalf("operation %d leaves %s", n, e.Name())
						}
					}
					if _, err := trySave(t, dir, 7); err != nil {
						t.Fatalf("operation %d: the next save: %v", n, err)
					}
					if at < n {
						break
					}
				}
				t.Logf("%d operations; %d times a save that was left whole was taken", n-1, adopted)
				if n < 30 {
					t.Errorf("only %d operations were seen to fail", n-1)
				}
				if how == "killed" && (c.step == 6 || !c.exchange) && adopted == 0 {
					t.Error("no save that was left whole was taken")
				}
			})
		}
	}
}

// quickDir is a folder in memory where the system has one: thousands of syncs take a disk most of a minute.
func quickDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "clipkit-checkpoint-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// whole checks that dir has a whole checkpoint, and gives its step.
func whole(t *testing.T, dir string, n int, warn func(string)) int {
	t.Helper()
	path, err := Latest(dir, warn)
	if err != nil {
		t.Fatalf("operation %d: %v", n, err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.State.Step
}

// A process that is killed while it removes an old checkpoint leaves it whole or gone, never damaged.
// fault 25, 19.2
func TestKilledWhileRemoving(t *testing.T) {
	for n := 1; ; n++ {
		dir := quickDir(t)
		for step := range 3 {
			save(t, dir, step)
		}
		at := 0
		end := atomicfile.Inject(func(op, path string) error {
			at++
			return faults["killed"](at, n)
		})
		err := Prune(dir, 2)
		end()
		if (err != nil) != (at >= n) {
			t.Fatalf("operation %d of %d: %v", n, at, err)
		}
		paths, err := List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			if err := Verify(p); err != nil {
				t.Errorf("operation %d: %v", n, err)
			}
		}
		if err := Recover(dir, func(line string) { t.Errorf("operation %d: %s", n, line) }); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Errorf("operation %d leaves %v", n, left)
		}
		if at < n {
			break
		}
	}
}

// An unfinished save of a step whose checkpoint is damaged takes its place; one that is damaged itself goes.
// fault 19.2
func TestRecoverTakesWhatIsWhole(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 5)
	if err := os.Rename(save(t, dir, 6), filepath.Join(dir, unfinished+"a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(save(t, dir, 6), optimizerFile), 9); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(save(t, dir, 8), filepath.Join(dir, unfinished+"b")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, unfinished+"b", modelFile), 9); err != nil {
		t.Fatal(err)
	}
	var said []string
	if err := Recover(dir, func(line string) { said = append(said, line) }); err != nil {
		t.Fatal(err)
	}
	path, err := Latest(dir, func(line string) { t.Error(line) })
	if err != nil || path != Path(dir, 6) || len(said) != 1 || !strings.Contains(said[0], path) {
		t.Errorf("latest %s, %v, said %q", path, err, said)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}

// A save holds one tensor at a time, and the bytes of its files do not depend on where tensors come from.
func TestSaveStreams(t *testing.T) {
	const size, count = 1000, 50
	held, most := 0, 0
	values := func(i int) []float32 {
		v := make([]float32, size)
		for k := range v {
			v[k] = float32(i*size + k)
		}
		return v
	}
	var there, lent []tensor.Tensor
	for i := range count {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		there = append(there, tensor.F32(name, []int{size / 10, 10}, values(i)))
		lent = append(lent, tensor.Lent(name, "F32", []int{size / 10, 10}, func(use func([]byte) error) error {
			held++
			most = max(most, held)
			defer func() { held-- }()
			return use(tensor.F32("", nil, values(i)).Data)
		}))
	}
	var files [2][]string
	for k, list := range [][]tensor.Tensor{there, lent} {
		parts := Parts{Model: list, Optimizer: list[:10], Adapters: list[:1]}
		path, err := Save(t.TempDir(), State{Arch: golden.Config(t, "vit"), Step: 3}, parts)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(path); err != nil {
			t.Error(err)
		}
		total := int64(0)
		for _, name := range []string{modelFile, optimizerFile, adaptersFile, stateFile, manifestFile} {
			b, err := os.ReadFile(filepath.Join(path, name))
			if err != nil {
				t.Fatal(err)
			}
			files[k], total = append(files[k], string(b)), total+int64(len(b))
		}
		if told := parts.Bytes(); told < total-8192 || told > total+8192 {
			t.Errorf("%d bytes were told, %d are written", told, total)
		}
	}
	for i := range files[0] {
		if files[0][i] != files[1][i] {
			t.Errorf("file %d differs", i)
		}
	}
	if most != 1 {
		t.Errorf("%d tensors were held at a time", most)
	}
	failing := errors.New("the device is gone")
	broken := []tensor.Tensor{tensor.Lent("x", "F32", []int{1}, func(func([]byte) error) error { return failing })}
	if _, err := Save(t.TempDir(), State{}, Parts{Model: broken}); !errors.Is(err, failing) {
		t.Errorf("error %v", err)
	}
}
