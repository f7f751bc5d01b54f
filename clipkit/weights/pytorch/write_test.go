package pytorch

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

	"clipnb/clipkit/weights/tensor"
)

// equal compares names, types, shapes and bytes.
func equal(t *testing.T, got, want []tensor.Tensor) {
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
		tensors, ck := parseFile(t, fixture(name))
		path := filepath.Join(t.TempDir(), "x.pt")
		if err := Write(path, tensors, ck); err != nil {
			t.Fatal(err)
		}
		again, ckAgain := parseFile(t, path)
		equal(t, again, tensors)
		if !reflect.DeepEqual(ckAgain, ck) {
			t.Errorf("%s: %+v, want %+v", name, ckAgain, ck)
		}
	}
}

// The prefix is added once, and left out when that is asked for.
func TestPyTorchPrefix(t *testing.T) {
	tensors := []tensor.Tensor{tensor.F32("visual.proj", []int{1}, []float32{1}), tensor.F32("module.logit_scale", nil, []float32{2})}
	for _, c := range []struct {
		ck   *Checkpoint
		want []string
	}{
		{&Checkpoint{Name: "run"}, []string{"module.visual.proj", "module.logit_scale"}},
		{&Checkpoint{Unprefixed: true}, []string{"visual.proj", "module.logit_scale"}},
		{nil, []string{"visual.proj", "module.logit_scale"}},
	} {
		var b bytes.Buffer
		if err := encode(&b, tensors, c.ck); err != nil {
			t.Fatal(err)
		}
		got, _, err := Parse("x", b.Bytes())
		var names []string
		for _, x := range got {
			names = append(names, x.Name)
		}
		if err != nil || !slices.Equal(names, c.want) {
			t.Error(names, err)
		}
	}
}

// Storages begin at multiples of 64 bytes, and the archive is one that other programs check.
func TestPyTorchArchive(t *testing.T) {
	var b bytes.Buffer
	if err := encode(&b, []tensor.Tensor{tensor.F32("a", []int{3}, []float32{1, 2, 3}), tensor.I64("b", 1), tensor.F32("empty", []int{0, 2}, nil)}, nil); err != nil {
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
	good := tensor.F32("a", []int{1}, []float32{1})
	for name, c := range map[string]struct {
		tensors []tensor.Tensor
		ck      *Checkpoint
	}{
		"two tensors": {[]tensor.Tensor{good, good}, nil},
		"do not make": {[]tensor.Tensor{{Name: "x", DType: "F32", Shape: []int{2}, Data: make([]byte, 4)}}, nil},
		"C64":         {[]tensor.Tensor{{Name: "x", DType: "C64", Data: make([]byte, 8)}}, nil},
		"the groups have 2 parameters and the state has 1": {nil, &Checkpoint{Optimizer: &Optimizer{Groups: []Group{{Params: 2}}, State: make([]ParamState, 1)}}},
	} {
		path := filepath.Join(t.TempDir(), "x.pt")
		if err := Write(path, c.tensors, c.ck); err == nil || !strings.Contains(err.Error(), name) {
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
	tensors, ck := parseFile(t, "testdata/pt/checkpoint.pt")
	path := filepath.Join(t.TempDir(), "ours.pt")
	if err := Write(path, tensors, ck); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "testdata/pt/check.py", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	back, ckBack := parseFile(t, path+".back.pt")
	equal(t, back, tensors)
	if !reflect.DeepEqual(ckBack, ck) {
		t.Errorf("%+v, want %+v", ckBack, ck)
	}
}
