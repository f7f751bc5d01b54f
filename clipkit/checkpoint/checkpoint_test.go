package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights/tensor"
)

func save(t *testing.T, dir string, step int) string {
	t.Helper()
	path, err := Save(dir, State{Arch: golden.Config(t, "vit"), Step: step, Epoch: 1, Batch: 2, Samples: 99},
		Parts{Model: []tensor.Tensor{tensor.F32("a", []int{2}, []float32{1, float32(step)})}, Optimizer: []tensor.Tensor{tensor.F32("m", nil, []float32{3})}})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSaveAndOpen(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 5)
	path := save(t, dir, 5) // again: replaced
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := c.Model.Tensor("a")
	v, _ := a.Float32()
	if c.State.Step != 5 || c.State.Batch != 2 || c.State.Samples != 99 || v[1] != 5 || c.State.Arch.Name != "tiny-vit" {
		t.Errorf("%+v, %v", c.State, v)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// Damage of each kind is noticed, said aloud, and the checkpoint before is used.
// fault 27
func TestDamagedIsPassedOver(t *testing.T) {
	damage := map[string]func(path string) error{
		"flipped byte": func(p string) error {
			f := filepath.Join(p, "model.safetensors")
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(f, b, 0o644)
		},
		"cut":         func(p string) error { return os.Truncate(filepath.Join(p, "optimizer.safetensors"), 10) },
		"missing":     func(p string) error { return os.Remove(filepath.Join(p, "state.json")) },
		"no manifest": func(p string) error { return os.Remove(filepath.Join(p, "manifest.json")) },
		"names what is outside": func(p string) error { // which never ends
			f := filepath.Join(p, "manifest.json")
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			more := `{"../../../../../../../../../dev/zero":{"bytes":1,"sha256":""},`
			return os.WriteFile(f, []byte(strings.Replace(string(b), "{", more, 1)), 0o644)
		},
	}
	for name, harm := range damage {
		dir := t.TempDir()
		want := save(t, dir, 1)
		if err := harm(save(t, dir, 2)); err != nil {
			t.Fatal(err)
		}
		var said []string
		got, err := Latest(dir, func(line string) { said = append(said, line) })
		if err != nil || got != want {
			t.Errorf("%s: latest is %q, %v; want %q", name, got, err, want)
		}
		if len(said) != 1 || !strings.Contains(said[0], "step-00000002") {
			t.Errorf("%s: said %q", name, said)
		}
	}
	if _, err := Latest(filepath.Join(t.TempDir(), "none"), func(string) {}); !errors.Is(err, ErrNone) {
		t.Errorf("empty directory: %v", err)
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		save(t, dir, i)
	}
	if err := Prune(dir, 2); err != nil {
		t.Fatal(err)
	}
	paths, err := List(dir)
	if err != nil || len(paths) != 2 || filepath.Base(paths[0]) != "step-00000003" {
		t.Errorf("%v, %v", paths, err)
	}
}

// A directory that cannot be written gives an error and leaves nothing.
func TestSaveIntoAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(filepath.Join(file, "x"), State{}, Parts{}); err == nil || !strings.Contains(err.Error(), "saving checkpoint") {
		t.Error(err)
	}
}
