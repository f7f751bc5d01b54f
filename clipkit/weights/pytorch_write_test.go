package weights

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// all reads every tensor of a file.
func all(t *testing.T, f *File) (out []Tensor) {
	t.Helper()
	for _, n := range f.Names() {
		x, err := f.Tensor(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// equal compares names, types, shapes and bytes.
func equal(t *testing.T, got, want []Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Name != w.Name || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s %s %v, want %s %s %v with the same bytes", g.Name, g.DType, g.Shape, w.Name, w.DType, w.Shape)
		}
	}
}

// What is written is read again: a state dict of every type, and a checkpoint with its optimizer.
func TestPyTorchRoundTrip(t *testing.T) {
	for _, name := range []string{"container_zip.pt", "checkpoint.pt", "published_style.pt"} {
		f, err := Open(fixture(name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.pt")
		if err := WritePyTorch(path, all(t, f), f.Checkpoint); err != nil {
			t.Fatal(err)
		}
		g, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, all(t, g), all(t, f))
		if !reflect.DeepEqual(g.Checkpoint, f.Checkpoint) {
			t.Errorf("%s: %+v, want %+v", name, g.Checkpoint, f.Checkpoint)
		}
	}
}

// The prefix is added once, and left out when that is asked for.
func TestPyTorchPrefix(t *testing.T) {
	tensors := []Tensor{F32("visual.proj", []int{1}, []float32{1}), F32("module.logit_scale", nil, []float32{2})}
	for _, c := range []struct {
		ck   *Checkpoint
		want []string
	}{
		{&Checkpoint{Name: "run"}, []string{"module.visual.proj", "module.logit_scale"}},
		{&Checkpoint{Unprefixed: true}, []string{"visual.proj", "module.logit_scale"}},
		{nil, []string{"visual.proj", "module.logit_scale"}},
	} {
		var b bytes.Buffer
		if err := EncodePyTorch(&b, tensors, c.ck); err != nil {
			t.Fatal(err)
		}
		f, err := Parse("x", b.Bytes())
		if err != nil || !slices.Equal(f.Names(), c.want) {
			t.Error(f.Names(), err)
		}
	}
}

// Storages begin at multiples of 64 bytes, and the archive is one that other programs check.
func TestPyTorchArchive(t *testing.T) {
	var b bytes.Buffer
	if err := EncodePyTorch(&b, []Tensor{F32("a", []int{3}, []float32{1, 2, 3}), I64("b", 1), F32("empty", []int{0, 2}, nil)}, nil); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if at, err := f.DataOffset(); err != nil || at%alignment != 0 {
			t.Errorf("%s begins at %d (%v)", f.Name, at, err)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(bytes.Buffer).ReadFrom(r); err != nil { // the checksum
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	good := F32("a", []int{1}, []float32{1})
	for name, c := range map[string]struct {
		tensors []Tensor
		ck      *Checkpoint
	}{
		"two tensors": {[]Tensor{good, good}, nil},
		"do not make": {[]Tensor{{Name: "x", DType: "F32", Shape: []int{2}, Data: make([]byte, 4)}}, nil},
		"C64":         {[]Tensor{{Name: "x", DType: "C64", Data: make([]byte, 8)}}, nil},
		"the groups have 2 parameters and the state has 1": {nil, &Checkpoint{Optimizer: &Optimizer{Groups: []Group{{Params: 2}}, State: make([]ParamState, 1)}}},
	} {
		path := filepath.Join(t.TempDir(), "x.pt")
		if err := WritePyTorch(path, c.tensors, c.ck); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%q left a file", name)
		}
	}
}

// PyTorch itself reads what is written here, continues training from it, and writes it back bit by bit.
func TestPyTorchReadsOurs(t *testing.T) {
	python := os.Getenv("CLIPKIT_TORCH_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import torch, numpy").CombinedOutput(); err != nil {
		t.Skipf("%s has no PyTorch with numpy (set CLIPKIT_TORCH_PYTHON): %v %.200s", python, err, out)
	}
	f, err := Open("testdata/pt/checkpoint.pt")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ours.pt")
	if err := WritePyTorch(path, all(t, f), f.Checkpoint); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "testdata/pt/check.py", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	back, err := Open(path + ".back.pt")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, all(t, back), all(t, f))
	if !reflect.DeepEqual(back.Checkpoint, f.Checkpoint) {
		t.Errorf("%+v, want %+v", back.Checkpoint, f.Checkpoint)
	}
}
